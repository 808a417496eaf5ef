r"""The files of a run that translates, written whole or not at all.

``translations.jsonl``   id, source, texts, tokens, finished; the texts exactly as they were written
``hypotheses.txt``       a line for every line that was asked for, its first text or nothing; line
                         breaks inside a text are spaces here
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from rewardlab.decoding.translate import Translation
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown
from rewardlab.store.files import replace_file, write_jsonl

TRANSLATIONS = "translations.jsonl"
HYPOTHESES = "hypotheses.txt"
LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Whatever some reader of text files takes for the end of a line."""


def write_translations(
    path: Path, translations: Iterable[Translation], sources: Mapping[str, str]
) -> None:
    """Write ``translations.jsonl``, or the samples of a rerank run.

    Args:
        path: Of the file.
        translations: In the order of the rows.
        sources: Row id -> source.
    """
    write_jsonl(
        path,
        (
            {
                "id": row.id,
                "source": sources[row.id],
                "texts": row.texts,
                "tokens": row.tokens,
                "finished": row.finished,
            }
            for row in translations
        ),
    )


def write_hypotheses(path: Path, texts: Sequence[str]) -> int:
    """Write one text per line.

    Args:
        path: Of the file.
        texts: Line by line; an empty one keeps the place of a line without a translation.

    Returns:
        How many texts had line breaks, which became spaces.
    """
    lines = [LINE_BREAK.sub(" ", text) for text in texts]
    replace_file(path, "".join(f"{line}\n" for line in lines))
    return sum(line != text for line, text in zip(lines, texts, strict=True))


def read_translations(path: Path) -> dict[str, tuple[str, Translation]]:
    """Read ``translations.jsonl``.

    Returns:
        Row id -> its source and its translation, in the order of the file.

    Raises:
        UserError: E085, it cannot be read, or a line is not what `write_translations` writes;
            exit code 3.
    """
    found: dict[str, tuple[str, Translation]] = {}
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, f"cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = cast("dict[str, Any]", json.loads(line))
            lists: dict[str, Any] = {
                key: tuple(row[key]) for key in ("texts", "tokens", "finished")
            }
            found[row["id"]] = row["source"], Translation(row["id"], **lists)
        except (ValueError, KeyError, TypeError) as error:
            what = f"line {number} is no translation: {shown(line)}"
            raise _unreadable(path, what) from error
    return found


def _unreadable(path: Path, what: str) -> UserError:
    fix = "translate anew, in another run directory"
    return UserError([Problem("E085", str(path), what, fix)], EXIT_DATA)
