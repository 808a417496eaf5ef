from rich.console import Console

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
    assert styled == [("Haus", "underline red")]


def test_text_cannot_steer_the_terminal():
    assert "\x1b" not in terminal.marked("a\x1b[31mb", []).plain
    assert plain(terminal.marked("[bold]x[/bold]", [])).strip() == "[bold]x[/bold]"


def test_advantages_name_every_token():
    shown = terminal.advantages("ein Haus", [0, 3, 8], [3, 8, 8], [0.5, -2.0, 0.0])
    assert shown.plain == "ein+0.5  Haus-2.0 ⟨/s⟩+0.0 "


def test_where_spans_overlap_the_worse_one_shows():
    spans = [ErrorSpan(0, 3, "critical"), ErrorSpan(1, 5, "minor"), ErrorSpan(4, 99, "odd")]
    text = terminal.marked("abcdef", spans)
    styled = [(text.plain[s.start : s.end], str(s.style)) for s in text.spans]
    assert styled == [("abc", "bold red"), ("de", "underline yellow"), ("f", "underline")]


def test_a_character_of_several_tokens_is_shown_once():
    shown = terminal.advantages("é a", [0, 0, 1, 3], [1, 1, 3, 3], [1.0, 2.0, 3.0, 0.0])
    assert shown.plain == "…+1.0 é+2.0  a+3.0 ⟨/s⟩+0.0 "


def test_the_space_before_the_text_is_not_its_end():
    shown = terminal.advantages("ab", [0, 0, 2], [0, 2, 2], [1.0, -1.0, 0.0])
    assert shown.plain == "␣+1.0 ab-1.0 ⟨/s⟩+0.0 "
    assert terminal.advantages("", [0], [0], [1.0]).plain == "⟨/s⟩+1.0 "


def test_tokens_without_characters_are_shown_together():
    shown = terminal.advantages("ab", [0, 0, 0, 2], [0, 0, 2, 2], [1.0, 2.0, -1.0, 0.0])
    assert shown.plain == "⟨2 tokens⟩+1.5 ab-1.0 ⟨/s⟩+0.0 "


def test_joiners_stay_and_other_invisible_characters_are_escaped():
    assert terminal.printable("می\u200cخ a\u202eb\x07\ufeff") == "می\u200cخ a\\u202eb\\x07\\ufeff"


def test_sparkline_of_a_constant_and_of_nothing():
    assert terminal.sparkline([2.0, 2.0]) == "▁▁"
    assert terminal.sparkline([]) == ""


def test_sparkline_with_gaps_and_in_few_blocks():
    assert terminal.sparkline([None, 1.0, None, 3.0]) == " ▁ █"
    assert terminal.sparkline([None, None]) == "  "
    assert terminal.sparkline([0.0, 2.0, None, None, 7.0, 9.0], 3) == "▁ █"
    assert len(terminal.sparkline([float(n) for n in range(1000)], 60)) == 60
