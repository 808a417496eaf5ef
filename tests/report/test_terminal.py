from rich.console import Console

from rewardlab.evaluation.evaluate import Quality
from rewardlab.report import terminal
from rewardlab.types import ErrorSpan


def plain(renderable):
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_spans_are_underlined_where_they_are():
    text = terminal.marked(
        "ein Haus", [ErrorSpan(4, 8, "major"), ErrorSpan(0, 3, "x", side="source")]
    )
    assert text.plain == "ein Haus"
    styled = [(text.plain[s.start : s.end], str(s.style)) for s in text.spans]
    assert styled == [(c, "underline red") for c in "Haus"]


def test_text_cannot_steer_the_terminal():
    assert "\x1b" not in terminal.marked("a\x1b[31mb", []).plain
    assert terminal.printable("a\u202eb") == "a\\u202eb"
    assert plain(terminal.marked("[bold]x[/bold]", [])).strip() == "[bold]x[/bold]"


def test_advantages_name_every_token():
    shown = terminal.advantages("ein Haus", [0, 3, 8], [3, 8, 8], [0.5, -2.0, 0.0])
    assert shown.plain == "ein+0.5  Haus-2.0 ⟨/s⟩+0.0 "


def test_sparkline_of_a_constant_and_of_nothing():
    assert terminal.sparkline([2.0, 2.0]) == "▁▁"
    assert terminal.sparkline([]) == ""


def test_quality_table_prints_one_line_per_system():
    shown = plain(terminal.quality_table("title", [("after SFT", Quality(50.0, 12.34, 80.0))]))
    assert "after SFT" in shown
    assert "12.3" in shown
