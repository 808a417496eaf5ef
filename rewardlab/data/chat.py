"""Conversations as JSON lines.

A row has ``messages`` with ``role`` and ``content``, or ``conversations`` with ``from`` and
``value`` as in ShareGPT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from rewardlab.data.readers import Files, ParallelText, Segment
from rewardlab.data.records import Record, files_of, json_records, refuse_record
from rewardlab.data.tables import refuse_other_files

ROLES = {"human": "user", "gpt": "assistant"}
"""Names of ShareGPT."""
EXCHANGE = ["user", "assistant"]


def read_chat(files: Files) -> ParallelText:
    """The reader of the format ``chat``: the user's message, and the assistant's answer.

    A conversation of more than one exchange, with another part than text, or with a system message
    is left out and counted in the notes.

    Args:
        files: The source is a file of JSON lines, plain or gzipped, or a directory with them; the
            reference is the same, or None.

    Raises:
        UserError: E201..E205 as for text files; E209 another file of references; E271 a row is no
            conversation; exit code 3.
    """
    refuse_other_files(files)
    notes: list[str] = []
    paths = files_of(files.source, (".jsonl", ".jsonl.gz"))
    records = (record for path in paths for record in json_records(path, notes))
    return ParallelText(_segments(records, files, notes), notes)


def _segments(records: Iterable[Record], files: Files, notes: list[str]) -> Iterator[Segment]:
    left_out: Counter[str] = Counter()
    for number, record in enumerate(records, start=1):
        messages = [_message(one, record.place) for one in _messages(record)]
        if [role for role, _ in messages] != EXCHANGE:
            left_out["conversations that are not one question and one answer"] += 1
        elif any(text is None for _, text in messages):
            left_out["conversations with other parts than text"] += 1
        else:
            question, answer = (text or "" for _, text in messages)
            yield Segment(number, question, answer if files.reference is not None else None)
    notes += [f"left out of {files.source}: {count:,} {why}" for why, count in left_out.items()]


def _messages(record: Record) -> list[Any]:
    messages: object = record.values.get("messages", record.values.get("conversations"))
    if not isinstance(messages, list):
        refuse_record(record.place, "no list of messages", '{"messages": [{"role": "user", ...')
    return cast("list[Any]", messages)


def _message(message: object, place: str) -> tuple[str, str | None]:
    """Role and text; the text is None if there is another part."""
    if not isinstance(message, Mapping):
        refuse_record(place, "a message is no object", '{"role": "user", "content": "..."}')
    known = cast("Mapping[str, Any]", message)
    role = str(known.get("role", known.get("from")))
    content = known.get("content", known.get("value"))
    return ROLES.get(role, role), content if isinstance(content, str) else None
