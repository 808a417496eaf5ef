"""gettext catalogues (``.po``): the translated messages of a program.

https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html; polib parses the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polib

from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.errors import Problem, one_line, refuse


def read_po(files: Files) -> ParallelText:
    """The reader of the format ``po``: messages with their translations.

    A segment is a message of one line that is translated and not marked as fuzzy. Its document is
    the first program file that uses it, so that a split by document keeps a file's messages
    together. Its line is the first line of its entry. What is left out is counted in the notes.

    Args:
        files: The catalogue as the source; the reference is the same file, or None. A catalogue has
            its own documents.

    Raises:
        UserError: E201 the file cannot be read; E209 it is no catalogue, or another file is given
            for the references or documents; exit code 3.
    """
    for option, other in (("reference", files.reference), ("documents", files.documents)):
        if other is not None and Path(other) != Path(files.source):
            what = f"a catalogue has {'translations' if option == 'reference' else 'documents'}"
            fix = f"{option}: {files.source}" if option == "reference" else "leave documents out"
            refuse(Problem("E209", str(other), f"{what} of its own", fix))
    left_out: Counter[str] = Counter()
    segments = [*_segments(_catalogue(files.source), files, left_out)]
    notes = (f"left out of {files.source}: {count:,} {why}" for why, count in left_out.items())
    return ParallelText(segments, tuple(notes))


def _catalogue(path: str | Path) -> polib.POFile:
    """The parsed file.

    Raises:
        UserError: E201, E209.
    """
    if not Path(path).is_file():
        refuse(Problem("E201", str(path), "there is no such file", "name a .po file"))
    try:
        return polib.pofile(str(path))
    except (OSError, ValueError) as error:
        what = f"it is no catalogue: {one_line(error)}"
        refuse(Problem("E209", str(path), what, "name a .po file, or format: lines"))


def _segments(catalogue: polib.POFile, files: Files, left_out: Counter[str]) -> Iterator[Segment]:
    """The usable messages in the order of the file; the others are counted."""
    for entry in catalogue:
        message, translation = entry.msgid.strip(), entry.msgstr.strip()
        if entry.obsolete:
            left_out["obsolete messages"] += 1
        elif entry.fuzzy:
            left_out["fuzzy translations"] += 1
        elif entry.msgid_plural:
            left_out["messages with plural forms"] += 1
        elif files.reference is not None and not translation:
            left_out["untranslated messages"] += 1
        elif "\n" in message or "\n" in translation:
            left_out["messages of several lines"] += 1
        else:
            document = entry.occurrences[0][0] if entry.occurrences else None
            reference = translation if files.reference is not None else None
            yield Segment(entry.linenum or 0, message, reference, document)
