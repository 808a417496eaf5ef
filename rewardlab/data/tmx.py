"""Translation memories (TMX 1.4), as OPUS and translation tools write them.

https://www.gala-global.org/tmx-14b
"""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from rewardlab.data.encodings import GZIP_MAGIC
from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import refuse_record
from rewardlab.data.tables import refuse_other_files
from rewardlab.errors import Problem, one_line, refuse
from rewardlab.text.languages import UnknownLanguage, language_code

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
CODES = frozenset({"bpt", "ept", "ph", "it", "ut"})
"""Elements that hold markup of the original file, which is no text."""


def read_tmx(files: Files) -> ParallelText:
    """The reader of the format ``tmx``: units that have both languages.

    Markup inside of a segment is left out. A unit with several texts of one language gives the
    first; units without one of the languages are counted in the notes.

    Args:
        files: The source is the file, plain or gzipped; the reference is the same, or None.

    Raises:
        UserError: E201 the file cannot be read; E209 another file of references; E271 it is no TMX
            or damaged; exit code 3.
    """
    refuse_other_files(files)
    notes: list[str] = []
    return ParallelText(_segments(files, notes), notes)


def _segments(files: Files, notes: list[str]) -> Iterator[Segment]:
    source, target = language_code(files.source_lang), language_code(files.target_lang)
    left_out: Counter[str] = Counter()
    for number, texts in enumerate(_units(files.source), start=1):
        if source not in texts or (files.reference is not None and target not in texts):
            left_out["units without one of the languages"] += 1
            continue
        reference = texts[target] if files.reference is not None else None
        yield Segment(number, texts[source], reference)
    notes += [f"left out of {files.source}: {count:,} {why}" for why, count in left_out.items()]


def _units(path: str | Path) -> Iterator[dict[str, str]]:
    """Language code -> text of each unit; a unit is forgotten when the next one is read."""
    try:
        with _opened(path) as file:
            events = ET.iterparse(file, events=("start", "end"))  # noqa: S314 - expat has limits
            _, root = next(events)
            if root.tag != "tmx":
                refuse_record(str(path), f"XML with the root {root.tag}", "a TMX file")
            for event, element in events:
                if event == "end" and element.tag == "tu":
                    yield _texts(element)
                    root.clear()
    except (OSError, EOFError) as error:
        refuse(Problem("E201", str(path), f"cannot be read: {one_line(error)}", "check the path"))
    except ET.ParseError as error:
        line = error.position[0]
        refuse_record(f"{path}:{line}", f"damaged XML: {one_line(error)}", "export it again")


def _opened(path: str | Path) -> gzip.GzipFile | io.BufferedReader:
    with Path(path).open("rb") as file:
        is_gzip = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return gzip.open(path) if is_gzip else Path(path).open("rb")


def _texts(unit: ET.Element) -> dict[str, str]:
    texts: dict[str, str] = {}
    for variant in unit.iter("tuv"):
        segment = variant.find("seg")
        spelling = variant.get(XML_LANG) or variant.get("lang") or ""
        try:
            code = language_code(spelling)
        except UnknownLanguage:
            continue
        if segment is not None:
            texts.setdefault(code, " ".join("".join(_parts(segment)).split()))
    return texts


def _parts(element: ET.Element) -> Iterator[str]:
    """The text of an element without the markup in it."""
    yield element.text or ""
    for child in element:
        if child.tag not in CODES:
            yield from _parts(child)
        yield child.tail or ""
