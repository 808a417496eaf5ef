"""Rows of a run and their prompts in the configured style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rewardlab.config.checks import NOWHERE, prompt_problems
from rewardlab.config.sections import DataConfig
from rewardlab.data.corpora import Corpus
from rewardlab.data.rows import Row
from rewardlab.text.prompts import Prompt, write_prompt

NO_ROWS = Corpus()
"""Used in place of data that could not be read."""


def row_notes(corpus: Corpus) -> tuple[str, ...]:
    """Notes on what was read, changed and left out."""
    return (*corpus.notes, str(corpus.funnel))


def prompt_of(row: Row, style: str | None, *, chat: bool) -> Prompt:
    """The row's prompt.

    Args:
        row: The row, with language codes.
        style: The name of a prompt style; may be None for an evaluation that decodes nothing.
        chat: The prompt is one user turn of the checkpoint's chat template.

    Raises:
        KeyError: The style is unknown.
    """
    languages = {"source_lang": row.source_lang, "target_lang": row.target_lang}
    return write_prompt(style or "", row.source, **languages, chat=chat)


def prompts_of(rows: Iterable[Row], style: str | None, *, chat: bool) -> dict[str, Prompt]:
    """Row id -> prompt.

    Args:
        rows: The rows, with language codes.
        style: The name of a prompt style.
        chat: Prompts are user turns.
    """
    return {row.id: prompt_of(row, style, chat=chat) for row in rows}


def pairs_of(
    rows: Iterable[Row], style: str | None, data: Sequence[DataConfig], *, chat: bool
) -> list[tuple[Prompt, Prompt | None]]:
    """Prompts and references; empty if the prompts cannot be written.

    Args:
        rows: The rows; a row without a reference has None as its answer.
        style: The name of a prompt style; its problems are reported with the configuration.
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
