r"""The output files of a run that translates, each written completely or not at all.

``translations.jsonl``   id, source, texts, tokens, finished; the texts as generated, from the
                         first character after the separator. If a model reasons before it
                         answers: the answers, and ``reasoning`` beside them
``hypotheses.txt``       one line for every requested line: its first text, or nothing; line breaks
                         inside a text become spaces
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from rewardlab.decoding.translate import Translation, translation_of
from rewardlab.errors import Problem, refuse, shown
from rewardlab.store.files import replace_file, write_jsonl

TRANSLATIONS = "translations.jsonl"
HYPOTHESES = "hypotheses.txt"
LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""All characters that readers of text files may treat as a line end."""


def write_translations(
    path: Path, translations: Iterable[Translation], sources: Mapping[str, str]
) -> None:
    """Write ``translations.jsonl``, or the samples of a rerank run.

    Args:
        path: The file to write.
        translations: Translations in the order of the rows.
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
                **({"reasoning": row.reasoning} if row.reasoning else {}),
            }
            for row in translations
        ),
    )


def write_hypotheses(path: Path, texts: Sequence[str]) -> int:
    """Write one text per line.

    Args:
        path: The file to write.
        texts: One text per line; empty for a line without a translation.

    Returns:
        The number of texts in which line breaks were replaced by spaces.
    """
    lines = [LINE_BREAK.sub(" ", text) for text in texts]
    replace_file(path, "".join(f"{line}\n" for line in lines))
    return sum(line != text for line, text in zip(lines, texts, strict=True))


def read_translations(path: Path) -> dict[str, tuple[str, Translation]]:
    """Read ``translations.jsonl``.

    Returns:
        Row id -> its source and its translation, in the order of the file.

    Raises:
        UserError: E085, the file cannot be read, or a line is not in the format of
            `write_translations`; exit code 3.
    """
    rows: dict[str, tuple[str, Translation]] = {}
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        _refuse(path, f"cannot be read: {error}")
    for number, line in enumerate(lines, start=1):
        try:
            row = cast("dict[str, Any]", json.loads(line))
            rows[row["id"]] = row["source"], translation_of(row["id"], row)
        except (ValueError, KeyError, TypeError):
            _refuse(path, f"line {number} is no translation: {shown(line)}")
    return rows


def _refuse(path: Path, what: str) -> NoReturn:
    refuse(Problem("E085", str(path), what, "translate again, in another run directory"))
