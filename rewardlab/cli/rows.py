"""Rows of a run and their prompts in the configured style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rewardlab.config.checks import NOWHERE, prompt_problems
from rewardlab.config.sections import DataConfig
from rewardlab.data.corpora import Corpus, Row
from rewardlab.text.prompts import Prompt, write_prompt

NO_ROWS = Corpus()
"""In place of data that could not be read."""


def row_notes(corpus: Corpus) -> tuple[str, ...]:
    """What was read, changed and left out."""
    return (*corpus.notes, str(corpus.funnel))


def prompt_of(row: Row, style: str | None, *, chat: bool) -> Prompt:
    """The row's prompt.

    Args:
        row: With language codes.
        style: The name of a prompt style; an evaluation that decodes nothing may have none.
        chat: The prompt is one user turn of the checkpoint's chat template.

    Raises:
        KeyError: No such style.
    """
    languages = {"source_lang": row.source_lang, "target_lang": row.target_lang}
    return write_prompt(style or "", row.source, **languages, chat=chat)


def prompts_of(rows: Iterable[Row], style: str | None, *, chat: bool) -> dict[str, Prompt]:
    """Row id -> prompt.

    Args:
        rows: With language codes.
        style: The name of a prompt style.
        chat: As one user turn.
    """
    return {row.id: prompt_of(row, style, chat=chat) for row in rows}


def pairs_of(
    rows: Iterable[Row], style: str | None, data: Sequence[DataConfig], *, chat: bool
) -> list[tuple[Prompt, Prompt | None]]:
    """Prompts and references; none where the prompts cannot be written.

    Args:
        rows: A row without a reference has None as its answer.
        style: The name of a prompt style; what is wrong with it is reported with the configuration.
        data: The corpora, whose languages the prompts may name.
        chat: Prompts are user turns, and answers are the assistant's.
    """
    if style is None or any(prompt_problems(style, data, NOWHERE)):
        return []
    return [(prompt_of(row, style, chat=chat), _answer(row, chat=chat)) for row in rows]


def _answer(row: Row, *, chat: bool) -> Prompt | None:
    if row.reference is None or not chat:
        return row.reference
    return [{"role": "assistant", "content": row.reference}]
