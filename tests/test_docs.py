"""Every Python block of the README and the docs runs, every doctest runs, and every name exists."""

import doctest
import importlib
import re
from pathlib import Path

import pytest
from test_layers import ROOMS

from rewardlab.text.prompts import PROMPTS

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
WRITTEN = [page for page in PAGES if page.parent.name != "design"]
"""Pages about the library as it is; design notes tell of its past."""
FILES = {f"/{file.relative_to(ROOT).as_posix()}" for file in ROOT.glob("[!.]*/**/*.py")}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s:]*\.md)?(?:#([^)\s]+))?\)")
FILE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)`")
NAME = re.compile(r"`(rewardlab(?:\.[A-Za-z_]+)+)")
ENTRY_POINTS = re.compile(r"group\s+`[^`]*`")
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "rewardlab").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_run(page, capsys, tmp_path, monkeypatch):
    """The blocks of a page share one namespace, top to bottom, as a reader would run them."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "docs"}
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), namespace)  # noqa: S102 - our own pages
    capsys.readouterr()


@pytest.mark.parametrize("module", MODULES)
def test_doctests(module):
    failures, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0
    assert failures == 0


def test_the_readme_has_the_two_commands_and_an_example():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
    assert BLOCK.search(text)


def anchors(page):
    """What GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        other = page.parent / target if target else page
        assert other.is_file(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(other), f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_that_a_page_names_exist(page):
    text = ENTRY_POINTS.sub("", page.read_text(encoding="utf-8"))
    for name in FILE.findall(text):
        assert any(file.endswith(f"/{name}") for file in FILES), f"{page.name} names {name}"
    for name in NAME.findall(text):
        module, _, attribute = name.rpartition(".")
        if (
            f"/{name.replace('.', '/')}.py" not in FILES
            and not (ROOT / name.replace(".", "/")).is_dir()
        ):
            assert hasattr(importlib.import_module(module), attribute), f"{page.name} names {name}"


def test_every_prompt_style_is_shown_as_it_is_written():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", page, re.MULTILINE))
    written = {
        name: style("Hej.", source_lang="da", target_lang="sv").replace("\n", "\\n")
        for name, style in PROMPTS.items()
    }
    assert {name: shown.get(name) for name in written} == written


def test_the_rooms_are_shown_in_their_order():
    """docs/data_flow.md has the list of `test_layers`, with a line on each room."""
    table = (ROOT / "docs" / "data_flow.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)/?` \| (\w+) \| \S", table, re.MULTILINE) == list(ROOMS)
