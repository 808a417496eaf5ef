"""Rows of a data set as candidates: one conversion for the trainer and the adapters.

A row has the columns `COLUMNS`; all others reach rewards as ``Candidate.extra``. What is missing
(None, or NaN as pandas writes it) is None in the candidate, except for the source, which every row
needs. Anything else that is not text is refused with row, column and type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, cast

from rewardlab.errors import EXIT_DATA, Problem, UserError, kind_of, shown
from rewardlab.text.languages import language_problems
from rewardlab.types import Candidate

COLUMNS = ("source", "reference", "source_lang", "target_lang", "id")
"""Columns that are fields of a `Candidate`."""
TEXTS = COLUMNS[:-1]
LANGUAGES = ("source_lang", "target_lang")
PROMPT = "prompt"
SHOWN_ROWS = 5


def candidates_from(
    rows: Sequence[Mapping[str, Any]], *, prompts: Sequence[Any], hypotheses: Sequence[str]
) -> list[Candidate]:
    """The candidates of a batch.

    Args:
        rows: N rows of a data set; each needs ``source``.
        prompts: N texts or lists of messages; rewards see the text of the last user message.
        hypotheses: N translations, cut out of the completions.

    Raises:
        UserError: E109, a value is missing or is not text.
    """
    names = [_row_name(at, row.get("id")) for at, row in enumerate(rows)]
    columns = {column: [row.get(column) for row in rows] for column in TEXTS} | {PROMPT: prompts}
    problems = [
        problem
        for column, values in columns.items()
        for problem in _column_problems(column, values, len(rows), names=names)
    ]
    if problems:
        raise UserError(problems, EXIT_DATA)
    return [
        candidate_of(row, prompt, hypothesis)
        for row, prompt, hypothesis in zip(rows, prompts, hypotheses, strict=True)
    ]


def candidate_of(row: Mapping[str, Any], prompt: Any, hypothesis: str) -> Candidate:
    """The candidate of one row whose values are texts or missing.

    Args:
        row: A row of a data set; needs ``source``.
        prompt: A text, or messages of which rewards see the last one of the user.
        hypothesis: The translation, cut out of the completion.

    Raises:
        UserError: E108, a value is not text.
    """
    texts = cast("dict[str, Any]", {column: _known(row.get(column)) for column in TEXTS})
    return Candidate(
        hypothesis=hypothesis,
        prompt=last_text(prompt, "user"),
        id=str(known) if (known := _known(row.get("id"))) is not None else "",
        extra={name: row[name] for name in row if name not in (*COLUMNS, PROMPT)},
        **texts,
    )


def last_text(messages: object, role: str) -> str:
    """A text, or the text of the last message with a role; of the last one if none has it.

    Args:
        messages: A text, or messages with ``role`` and ``content`` (a text or content blocks).
        role: ``user`` or ``assistant``.

    >>> blocks = [{"type": "image"}, {"type": "text", "text": "Hej"}]
    >>> last_text([{"role": "user", "content": blocks}], "user")
    'Hej'
    """
    if isinstance(messages, str):
        return messages
    every = cast("Sequence[Mapping[str, Any]]", messages)
    wanted = [message for message in every if message.get("role") == role] or list(every)
    return content_text(wanted[-1].get("content")) if wanted else ""


def content_text(content: object) -> str:
    """The text of a message's content: a text, or the joined text blocks of a list.

    Args:
        content: The content; None for a message without one, such as a tool call.
    """
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(_block_text(block) for block in cast("Iterable[object]", content))


def _block_text(block: object) -> str:
    """The text of a content block, a mapping or an object; empty for an image."""
    if isinstance(block, str):
        return block
    known = cast("Mapping[str, Any]", block) if isinstance(block, Mapping) else vars(block)
    return str(known.get("text") or "")


# ── before the first step ───────────────────────────────────────────────────────────────────────


def check_dataset(dataset: Any, needing: Sequence[str], *, where: str = "train_dataset") -> None:
    """Check every row of a data set, as far as its rows can be read in advance.

    Args:
        dataset: A data set of the `datasets` library; a stream and any other object are accepted
            here, and `candidates_from` checks their rows batch by batch.
        needing: Names of the rewards that read references.
        where: The name of the data set for messages.

    Raises:
        UserError: E109 the column ``source`` or a value is missing, or a value is not text; E032 a
            reward reads references and no row has one; E260 a language does not exist.
    """
    names: Sequence[str] | None = getattr(dataset, "column_names", None)
    if names is None or isinstance(names, Mapping):
        return
    problems = list(missing_columns(names, needing, where=where))
    if not problems and isinstance(dataset, Sized):
        for column in (*TEXTS, PROMPT):
            if column in names and not _is_typed(dataset, column):
                values = cast("Iterable[object]", cast("Any", dataset)[column])
                problems += _column_problems(column, values, len(dataset), where=f"{where}.")
        if needing and len(dataset) and not any(map(_is_known, cast("Any", dataset)["reference"])):
            problems.append(_no_references(needing, where, "reference is empty in every row"))
        if not problems:
            languages = [name for name in LANGUAGES if name in names]
            problems += [
                one
                for name in languages
                for one in language_problems(
                    f"{where}.{name}", cast("Any", map(_known, cast("Any", dataset)[name]))
                )
            ]
    if problems:
        raise UserError(problems, EXIT_DATA)


def missing_columns(
    names: Iterable[str], needing: Sequence[str], *, where: str
) -> Iterator[Problem]:
    """E109 there is no column ``source``; E032 rewards read references and there is no such column.

    Args:
        names: The columns of the data set.
        needing: Names of the rewards that read references.
        where: The name of the data set for messages.
    """
    known = sorted(names)
    if "source" not in known:
        what = f"there is no column 'source'; the columns are {', '.join(known) or 'none'}"
        yield Problem("E109", where, what, "dataset.rename_column(..., 'source')")
    if needing and "reference" not in known:
        yield _no_references(needing, where, "there is no column 'reference'")


def _no_references(needing: Sequence[str], where: str, why: str) -> Problem:
    what = f"{', '.join(needing)} {'reads' if len(needing) == 1 else 'read'} references, and {why}"
    return Problem(
        "E032", where, what, "add references as column 'reference', or remove the reward"
    )


def _is_typed(dataset: Any, column: str) -> bool:
    """Whether the type of an optional column already says that it has texts and missing values."""
    feature = getattr(dataset, "features", {}).get(column)
    return column != "source" and getattr(feature, "dtype", None) in ("string", "large_string")


def _row_name(at: int, identity: object) -> str:
    """A row of a batch, whose place in the data set only an id tells."""
    known = f" (id {shown(str(identity))})" if _is_known(identity) else ""
    return f"row {at} of the batch{known}"


def _column_problems(
    column: str,
    values: Iterable[object],
    total: int,
    *,
    where: str = "",
    names: Sequence[str] | None = None,
) -> list[Problem]:
    """E109 with the number of unfit rows of a column, and the first one's value.

    Args:
        column: The column.
        values: Its values.
        total: Their number.
        where: What precedes the column's name in the message.
        names: Names of the rows; by default their numbers in the data set.
    """
    fits = _is_prompt if column == PROMPT else _is_source if column == "source" else _is_optional
    wrong = [(row, value) for row, value in enumerate(values) if not fits(value)]
    if not wrong:
        return []
    row, value = wrong[0]
    first = ", ".join(str(at) for at, _ in wrong[:SHOWN_ROWS])
    wanted = "a text or a list of messages" if column == PROMPT else "a text"
    what = f"{names[row] if names else f'row {row}'}: {kind_of(value)} is not {wanted}"
    if len(wrong) > 1:
        what += f"; {len(wrong):,} of {total:,} rows; first {min(len(wrong), SHOWN_ROWS)}: {first}"
    return [Problem("E109", f"{where}{column}", what, _fix(column, value))]


def _fix(column: str, value: object) -> str:
    if column == PROMPT:
        return "[{'role': 'user', 'content': 'Translate: ...'}], or a text"
    if not _is_known(value):
        return "leave out rows without a source"
    if isinstance(value, bytes):
        return f"decode it: row[{column!r}].decode()"
    if isinstance(value, (list, tuple)):
        return f"keep one text: row[{column!r}][0]"
    return f"a text: str(row[{column!r}])"


def _known(value: object) -> object:
    return value if _is_known(value) else None


def _is_known(value: object) -> bool:
    """Whether there is a value: neither None nor what numpy or pandas write for a missing one."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return False
    number = isinstance(value, float) or type(value).__module__ == "numpy"
    return not (number and bool(value != value))  # noqa: PLR0124 - NaN


def _is_source(value: object) -> bool:
    return isinstance(value, str)


def _is_optional(value: object) -> bool:
    return isinstance(value, str) or not _is_known(value)


def _is_prompt(value: object) -> bool:
    if isinstance(value, str):
        return True
    if not isinstance(value, (list, tuple)):
        return False
    return all(_is_message(one) for one in cast("Sequence[object]", value))


def _is_message(message: object) -> bool:
    if not isinstance(message, Mapping):
        return False
    content = cast("Mapping[str, object]", message).get("content")
    if content is None or isinstance(content, str):
        return True
    if not isinstance(content, (list, tuple)):
        return False
    return all(isinstance(one, (str, Mapping)) for one in cast("Sequence[object]", content))
