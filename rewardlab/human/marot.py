"""Translations in Marot's format, in which annotators mark errors.

The file has ten tab-separated columns under a header and one translation per row, segment by
segment, so that the translations of one source are next to each other. Rater, category and severity
are empty. An annotator adds a row for each error, with ``<v>`` and ``</v>`` around the error in the
source or the target; `rewardlab.human.mqm` reads the file back, annotated or not.

Tabs and line breaks inside a text would break its row, and a ``<v>`` would be read as a mark. Each
such character is replaced by one visible sign, so offsets of marks are valid in the original text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rewardlab.data.rows import Row
from rewardlab.human.headers import MAROT_HEADER
from rewardlab.human.marked_text import CLOSE, OPEN
from rewardlab.store.files import replace_file

SIGNS = str.maketrans({"\t": "⇥", "\n": "↵", "\r": "␍", "\0": "␀"})
BRACKETS = str.maketrans("<>", "‹›")


def visible(text: str) -> str:
    r"""The text with signs in place of characters that a row cannot contain; same length.

    >>> visible("Hej\n<v>du</v> & <du>")
    'Hej↵‹v›du‹/v› & <du>'
    """
    for mark in (OPEN, CLOSE):
        text = text.replace(mark, mark.translate(BRACKETS))
    return text.translate(SIGNS)


def write_marot(
    path: Path, rows: Sequence[Row], systems: Mapping[str, Sequence[str]], *, document: str
) -> int:
    """Write translations to be annotated.

    Args:
        path: The file; an existing one is replaced.
        rows: M segments. Segments are numbered within their document from 1; the language pair is
            added to document names after a colon.
        systems: Name -> M translations.
        document: Document name for rows without a document and without a named corpus.

    Returns:
        The number of texts in which characters were replaced by signs.

    Raises:
        ValueError: A system does not have one translation for each row.
        UserError: E210, the disk is full; exit code 75.
    """
    for name, texts in systems.items():
        if len(texts) != len(rows):
            raise ValueError(f"{len(texts)} translations of {name} for {len(rows)} rows")
    lines = ["\t".join(MAROT_HEADER), *_lines(rows, systems, document)]
    replace_file(path, "".join(f"{line}\n" for line in lines))
    texts = [row.source for row in rows]
    texts += [text for several in systems.values() for text in several]
    return sum(visible(text) != text for text in texts)


def _lines(
    rows: Sequence[Row], systems: Mapping[str, Sequence[str]], document: str
) -> Iterator[str]:
    in_document: Counter[str] = Counter()
    for at, row in enumerate(rows):
        name = _document(row, document)
        in_document[name] += 1
        metadata = json.dumps({"segment": {"id": row.id}})
        for system, texts in systems.items():
            segment = f"{visible(system)}\t{visible(name)}\t{in_document[name]}\t{at + 1}"
            # no rater before the texts, and neither category nor severity after them
            yield f"{segment}\t\t{visible(row.source)}\t{visible(texts[at])}\t\t\t{metadata}"


def _document(row: Row, otherwise: str) -> str:
    """The row's document or corpus, with the language pair as `read_annotations` expects it."""
    name = row.document or row.id.rpartition(":")[0] or otherwise
    codes = (code.replace("-", "_") for code in (row.source_lang, row.target_lang))
    pair = f":{'-'.join(codes)}"
    return name if name.endswith(pair) else name + pair
