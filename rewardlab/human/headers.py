"""Names of the columns that say which translation a row is about, in every table of judgements.

All readers use these names, so that no table is read with one of its keys ignored. Names are
compared in lower case, with ``_`` for spaces and hyphens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rewardlab.human.tables import Line, column_name

SYSTEMS = ("system", "system_id", "system_name", "systemid", "sys", "sys_id", "sysid")
SEGMENTS = (
    "seg_id", "segment_id", "segment", "globalsegid", "global_seg_id", "docsegid", "doc_seg_id",
    "segid", "segmentid", "seg", "item_id", "itemid",
)  # fmt: skip
DOCUMENTS = (
    "doc", "document", "document_id", "doc_name", "document_name", "docid", "documentid",
    "docname", "talk_id", "talk",
)  # fmt: skip
GROUPS = (
    "domain", "genre", "collection", "collection_id", "test_set", "testset", "corpus", "dataset",
    "subset", "year",
)  # fmt: skip
"""Columns that tell documents of the same name apart, where there are any."""
RATERS = (
    "rater", "rater_id", "annotator", "annotator_id", "annotators", "user", "user_id", "username",
    "evaluator", "evaluator_id", "worker", "worker_id", "judge", "assessor", "login",
)  # fmt: skip
SOURCES = ("source", "src", "source_text", "source_segment")
HYPOTHESES = (
    "target", "hypothesis", "translation", "tgt", "mt", "hyp", "target_text", "target_segment",
    "hypothesis_text", "system_output",
)  # fmt: skip
SOURCE_LANGS = (
    "source_lang", "src_lang", "source_language", "src_language", "srclang", "sourcelang",
)  # fmt: skip
TARGET_LANGS = (
    "target_lang", "tgt_lang", "trg_lang", "target_language", "tgt_language", "tgtlang", "trglang",
    "targetlang",
)  # fmt: skip
LANGUAGE_PAIRS = (
    "lp", "lang_pair", "langpair", "language_pair", "language_pairs", "langs", "languages",
    "pair", "direction", "language_direction",
)  # fmt: skip
MAROT_HEADER = (
    "system", "doc", "docSegId", "globalSegId", "rater",
    "source", "target", "category", "severity", "metadata",
)  # fmt: skip


def is_marot_row(line: Line) -> bool:
    """Whether a line can be a row of Marot's form: nine or ten cells, the last one JSON."""
    *cells, metadata = line.cells
    if len(cells) == len(MAROT_HEADER) - 1:
        return not metadata.strip() or metadata.lstrip().startswith("{")
    return len(cells) == len(MAROT_HEADER) - 2


def column_at(header: Sequence[str], names: Sequence[str]) -> int | None:
    """The position of the first of these names that the header has, None if it has none.

    Args:
        header: Names of columns, as written.
        names: Names to look for, the most specific first.
    """
    have = [column_name(name) for name in header]
    return next((have.index(name) for name in names if name in have), None)


def key_names(header: Sequence[str]) -> list[str]:
    """The names of a header's columns, with ``doc_id`` as ``doc`` where it names a document.

    ``doc_id`` is the number of a segment in its document in WMT's MQM files, which also have
    ``doc``. In other files, beside a column for segments, it names the document.

    Args:
        header: Names of columns, as written.

    >>> key_names(["system_id", "doc_id", "segment_id"]), key_names(["doc", "doc_id", "seg_id"])
    (['system_id', 'doc', 'segment_id'], ['doc', 'doc_id', 'seg_id'])
    """
    names = [column_name(name) for name in header]
    is_document = {*DOCUMENTS}.isdisjoint(names) and not {*SEGMENTS}.isdisjoint(names)
    return ["doc" if is_document and name == "doc_id" else name for name in names]


class Place(NamedTuple):
    """The segment of a row.

    Attributes:
        document: Name of the document; may be empty.
        segment: Name or number of the segment in it.
        groups: Values of the columns `GROUPS`.
    """

    document: str
    segment: str
    groups: tuple[str, ...] = ()


def group_columns(names: Sequence[str]) -> list[int]:
    """The positions of the columns `GROUPS` among names of columns."""
    return [at for at, name in enumerate(names) if name in GROUPS]


def documents_of(places: Sequence[Place]) -> list[str]:
    """Names of documents that differ wherever a group such as the domain tells two apart.

    Args:
        places: (N,), the segment of each row.

    Returns:
        (N,), the documents as given, or with the groups before each name if one document and
        segment occurs in several groups.

    >>> documents_of([Place("d", "1", ("news",)), Place("d", "1", ("talks",))])
    ['news/d', 'talks/d']
    >>> documents_of([Place("d", "1", ("news",)), Place("e", "1", ("talks",))])
    ['d', 'e']
    """
    seen: dict[tuple[str, str], tuple[str, ...]] = {}
    if all(seen.setdefault(one[:2], one.groups) == one.groups for one in places):
        return [one.document for one in places]
    return ["/".join(filter(None, (*one.groups, one.document))) for one in places]
