"""Tables as a terminal of some width shows them, without colours."""

from rich.console import Console

from rewardlab.report.terminal import rendered


def plain(table, width=120):
    """A table in lines of text."""
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        for part in rendered(table, width):
            console.print(part)
    return capture.get()
