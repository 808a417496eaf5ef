"""The help pages of LibreOffice: paragraphs with the same ids in all of its languages.

Debian's packages ``libreoffice-help-LANGUAGE`` have them as HTML. ``apt-get download`` and
``dpkg -x PACKAGE DIR`` unpack them without installing anything. The texts are under the MPL-2.0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.errors import EXIT_DATA, Problem, UserError, nearest, refuse, shown
from rewardlab.text.languages import written_code

INSIDE = Path("usr/share/libreoffice/help")
"""Where a package has its folders of languages."""
PAGES = "text"
BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6"})
PARAGRAPH = re.compile("(par|hd|tit)")
"""How the ids of paragraphs and headings begin."""


def read_libreoffice_help(files: Files) -> ParallelText:
    """The reader of the format ``libreoffice_help``.

    A segment is a paragraph or heading that both languages have and that differs between them. Its
    document is its page: hold out the same pages in all pairs. What is left out is counted in the
    notes.

    Args:
        files: The source is the directory that the packages were unpacked into, or the one with the
            folders of languages; the reference is the same directory, or None. The languages choose
            the folders: ``es``, ``pt-BR``; ``en`` is ``en-US`` if there is no other.

    Raises:
        UserError: E201 there is no such directory or language; E209 documents are given; exit
            code 3.
    """
    if files.documents is not None:
        fix = "leave documents out"
        refuse(Problem("E209", str(files.documents), "the help has pages of its own", fix))
    root = Path(files.source)
    root = root / INSIDE if (root / INSIDE).is_dir() else root
    own = _folder(root, files.source_lang)
    other = None if files.reference is None else _folder(root, files.target_lang)
    left_out: Counter[str] = Counter()
    rows = enumerate(_rows(own, other, left_out), start=1)
    segments = [Segment(line, *row) for line, row in rows]
    notes = (f"left out of {root}: {count:,} {why}" for why, count in left_out.items())
    return ParallelText(segments, tuple(notes))


def _folder(root: Path, language: str) -> Path:
    """The folder of a language.

    Raises:
        UserError: E201; exit code 3.
    """
    known = [path.name for path in root.glob("*") if (path / PAGES).is_dir()]
    if not known:
        what = "it holds no folder of a language with text/ in it"
        fix = "give the directory into which dpkg -x unpacked libreoffice-help packages"
        raise UserError([Problem("E201", str(root), what, fix)], EXIT_DATA)
    code = written_code(language).replace("_", "-")
    found = [name for name in known if name == code]
    found = found or [name for name in known if name.startswith(f"{code}-")]
    if len(found) == 1:
        return root / found[0]
    what = f"{shown(language)} has {len(found) or 'no'} folders"
    fix = f"one of {', '.join(sorted(found))}" if found else nearest(code, known)
    raise UserError([Problem("E201", str(root), what, fix or ", ".join(sorted(known)))], EXIT_DATA)


def _rows(
    own: Path, other: Path | None, left_out: Counter[str]
) -> Iterator[tuple[str, str | None, str]]:
    """Source, reference and page of the usable paragraphs; the others are counted."""
    for page in sorted((own / PAGES).rglob("*.html")):
        name = page.relative_to(own).as_posix()
        paragraphs = _paragraphs(page)
        if other is None:
            yield from ((text, None, name) for text in paragraphs.values())
            continue
        translated = _paragraphs(other / name) if (other / name).is_file() else {}
        for key, text in paragraphs.items():
            reference = translated.get(key)
            if reference is None:
                left_out["paragraphs that one language has"] += 1
            elif reference == text:
                left_out["paragraphs that are equal in both languages"] += 1
            else:
                yield text, reference, name


def _paragraphs(page: Path) -> dict[str, str]:
    """Id -> text of a page; the first one of each id that is not empty."""
    reader = _PageReader()
    reader.feed(page.read_text(encoding="utf-8", errors="replace"))
    reader.close()
    return reader.found


class _PageReader(HTMLParser):
    """Collects the texts of paragraphs, without their markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, str] = {}
        self._open: tuple[str, str] | None = None
        self._parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a paragraph, or keep words apart that a line break separates."""
        if tag in BLOCKS:
            self._finish()
            name = dict(attrs).get("id") or ""
            self._open = (tag, name) if PARAGRAPH.match(name) else None
        elif tag == "br":
            self._parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """End the paragraph."""
        if self._open is not None and tag == self._open[0]:
            self._finish()

    def handle_data(self, data: str) -> None:
        """Collect text."""
        if self._open is not None:
            self._parts.append(data)

    def close(self) -> None:
        """End a paragraph that the page does not."""
        super().close()
        self._finish()

    def _finish(self) -> None:
        text = " ".join("".join(self._parts).split())
        if self._open is not None and text:
            self.found.setdefault(self._open[1], text)
        self._open, self._parts = None, []
