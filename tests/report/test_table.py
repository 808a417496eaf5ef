"""Tables fit every width: numbers stay whole, nothing is lost, and every renderer has all of it."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_terminal import plain
from rich.cells import cell_len

from rewardlab.report.html import page_html
from rewardlab.report.markdown import page_markdown, table_markdown
from rewardlab.report.table import Cell, Column, Page, folded, printable, table_of

LONG = "metricx:model=checkpoints/metricx-24-hybrid-large-v2p6,mode=qe"


def results(rewards=12):
    """A row for each reward, with statistics in three parts."""
    columns = [
        Column("metric", "name"),
        *(Column(heading, part="ties") for heading in ("acc_eq", "95%", "rank", "ε")),
        *(Column(heading, part="systems") for heading in ("SPA", "r", "τ")),
        *(Column(heading, part="segments") for heading in ("r system", "τ system")),
    ]
    names = ["chrf", LONG, "длинное_имя_метрики", *(f"reward_{n}" for n in range(3, rewards))]
    rows = [
        [
            *(name, f"0.4{n:02}", f"0.1{n:02} … 0.9{n:02}", str(n), f"{n}.25"),
            *("0.123", "-0.123", "-", f"-0.5{n:02}", f"0.6{n:02}"),
        ]
        for n, name in enumerate(names)
    ]
    return table_of(columns, rows, title="12 metrics on 13 systems x 529 segments")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_every_number_is_whole_at_every_width(width):
    table = results()
    shown = plain(table, width)
    assert max(map(cell_len, shown.splitlines())) <= width
    words = re.findall(r"\S+", shown)
    for row in table.rows:
        for cell in row[1:]:
            for word in cell.text.split():
                assert word in words
    assert not re.search(r"[\d.]…", shown), "no number is cut short"
    assert all(piece in shown for piece in ("metricx:", "checkpoints/", "hybrid-", "mode=qe"))


@pytest.mark.parametrize(("width", "tables"), [(200, 1), (100, 1), (80, 2), (60, 2)])
def test_a_narrow_table_is_split_between_its_parts(width, tables):
    assert len(re.findall("^metric +", plain(results(), width), re.MULTILINE)) == tables


def test_parts_are_named_where_a_table_is_split():
    titles = [line for line in plain(results(), 80).splitlines() if line.startswith("12 metrics")]
    assert titles == [
        "12 metrics on 13 systems x 529 segments: ties, systems",
        "12 metrics on 13 systems x 529 segments: segments",
    ]


def test_prose_is_wrapped_beside_its_keys():
    columns = (Column("reward", "name"), Column("verdict", "name"), Column("attacks", "prose"))
    attacks = ", ".join(f"attack_{n}" for n in range(20))
    table = table_of(columns, [["chrf", "safe from", attacks]], keys=2)
    lines = plain(table, 60).splitlines()
    assert max(map(cell_len, lines)) <= 60
    assert lines[1].split()[:3] == ["chrf", "safe", "from"]
    assert " ".join(lines[1:]).split()[3:] == attacks.split(" ")


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.sampled_from(
    ["", "-", "0.5", "-12.345", "100.0 → 100.0", "0.123 … 0.456", "1,234,567"]
)


@given(
    st.lists(st.tuples(CELL, st.lists(NUMBERS, min_size=6, max_size=6)), max_size=5),
    st.lists(CELL, min_size=6, max_size=6),
    st.lists(st.sampled_from(["", "a", "b"]), min_size=6, max_size=6),
    st.integers(36, 240),
)
@settings(deadline=None, max_examples=60)
def test_whatever_the_names_all_numbers_stand_within_the_width(rows, headings, parts, width):
    columns = [
        Column("name", "name"),
        *(Column(h, part=p) for h, p in zip(headings, parts, strict=True)),
    ]
    table = table_of(columns, [[name, *numbers] for name, numbers in rows])
    shown = plain(table, width)
    assert all(cell_len(line) <= width for line in shown.splitlines())
    for _, numbers in rows:
        assert all(number in shown for number in numbers)


@given(CELL, st.integers(2, 40))
@settings(deadline=None)
def test_folding_loses_no_character(text, width):
    lines = folded(printable(text), width).split("\n")
    assert all(cell_len(line) <= max(width, 2) for line in lines)
    assert "".join("".join(lines).split()) == "".join(printable(text).split())


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="every row needs 2 cells"):
        table_of([Column("a"), Column("b")], [["1"]])


# ── files ───────────────────────────────────────────────────────────────────────────────────────

EVIL = "<script>alert(1)</script> | *b* `c` \x1b[31m \u202e & [x](http://e)"
PAGE = Page(
    "Title & more",
    (
        table_of(
            [Column("a|b", "name"), Column("n")],
            [[EVIL, Cell("1.5", "bold")], ["می‌خواهم", Cell("-2", "green")]],
            title="one <table>",
        ),
    ),
    ("a note with <b>", "note: 5 < 6"),
    ("gates:", "  - {reward: not_empty, below: 0.5}"),
    ("chrf|version:1",),
)


class Reader(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def test_html_stands_alone_and_shows_texts_as_they_are():
    html = page_html(PAGE)
    reader = Reader()
    reader.feed(html)
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert '<meta charset="utf-8">' in html
    assert not {"script", "link", "img", "iframe", "b"} & {*reader.tags}
    assert not [
        name for name, _ in reader.attributes if name in {"src", "href"} or name[:2] == "on"
    ]
    assert "@import" not in html
    assert "url(" not in html
    texts = "".join(reader.texts)
    assert printable(EVIL) in texts
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "می‌خواهم" in texts, "a joiner belongs to the spelling"
    assert '<td class="number bold">1.5</td>' in html
    assert '<td class="number green">-2</td>' in html
    assert "  - {reward: not_empty, below: 0.5}" in texts
    assert "chrf|version:1" in texts
    for tag in ("table", "tr", "td", "th", "ul", "li", "pre", "section", "body", "html"):
        assert html.count(f"<{tag}") - (tag == "th") * html.count("<thead") == html.count(
            f"</{tag}>"
        )


def test_markdown_escapes_what_would_mean_something():
    text = page_markdown(PAGE)
    lines = text.splitlines()
    assert lines[:4] == ["# Title \\& more", "", "## one \\<table\\>", ""]
    assert lines[4:6] == ["| a\\|b | n |", "| --- | ---: |"]
    assert lines[6].startswith("| \\<script\\>alert(1)\\</script\\> \\| \\*b\\* \\`c\\` \\\\x1b")
    assert lines[6].endswith("| **1.5** |")
    assert len(re.findall(r"(?<!\\)\|", lines[6])) == 3
    assert "- note: 5 \\< 6" in lines
    assert "```yaml\ngates:\n  - {reward: not_empty, below: 0.5}\n```" in text


def test_every_value_is_in_every_form():
    table = results()
    page = Page("Results", (table,))
    forms = (table_markdown(table), page_html(page), plain(table, 200))
    for row in table.rows:
        assert all(cell.text in form for cell in row for form in forms)
