"""Human scores of translations, from any of the files that people publish them in.

``mqm``    marked errors: `rewardlab.human.mqm`
``mtme``   mt-metrics-eval's ``.seg.score`` and ``.sys.score`` (`rewardlab.human.score_files`),
           its ratings in JSON (`rewardlab.human.json_ratings`), and the texts that lie beside
           either (`rewardlab.human.mtme_texts`)
``esa``    a score for each judgement, direct assessment included:
           `rewardlab.human.direct_assessment`
``table``  systems by segments: `rewardlab.human.score_files`

Whatever the file says, scores are higher-is-better here: MQM, an error, is negated, and so is
everything that is called lower-is-better.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np

from rewardlab.data.lines import TextFile, read_lines
from rewardlab.errors import EXIT_DATA, Problem, UserError, refuse, shown
from rewardlab.human.direct_assessment import is_direct_header, read_direct
from rewardlab.human.json_ratings import read_evalset_ratings, read_standalone_ratings
from rewardlab.human.mqm import (
    digest_of,
    is_marot_row,
    is_mqm_header,
    is_nearly_mqm_header,
    mqm_of,
)
from rewardlab.human.mtme_texts import TextsBeside, read_texts_beside
from rewardlab.human.ratings import Cell, MqmFile, mean_error
from rewardlab.human.score_files import is_list_line, is_table_header, read_lists, read_table
from rewardlab.human.score_matrix import Floats, ScoreMatrix, system_means
from rewardlab.human.tables import some_of
from rewardlab.types import WMT_MQM, ErrorSpan, SeverityTable

Format: TypeAlias = Literal["auto", "mqm", "mtme", "esa", "table"]
Kind: TypeAlias = Literal["mqm", "lists", "ratings", "standalone", "direct", "table"]

KINDS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "mqm": ("mqm",),
        "mtme": ("lists", "ratings", "standalone"),
        "esa": ("direct",),
        "table": ("table",),
    }
)
FEWEST_SYSTEMS = 2
WHOLE = "system"
"""The one segment of scores of whole systems."""


@dataclass(frozen=True, eq=False)
class Gold:
    """Human scores, and what they are scores of.

    Attributes:
        scores: Higher is better, NaN where a translation has no score; the S systems that have any,
            sorted by name, and the M segments in the order of the test set.
        published: System -> its mean as it is published: MQM as an error, lower is better;
            everything else as in the file.
        raters: How many there are; 0 where the file does not say.
        funnel: What was read, left out and noticed, in one line.
        documents: (M,), empty where unknown.
        sources: (M,), or None where the file has none.
        hypotheses: (system, segment id) -> text, where known; also of systems without scores.
        spans: (system, segment id) -> for each rater the errors marked in the texts, on either
            side; empty where the format has none.
        source_lang: Language code, None where unknown.
        target_lang: Likewise.
        severities: What weighed the errors; None where the file has scores.
        unscored: Systems of the file that nobody has scored.
    """

    scores: ScoreMatrix
    published: Mapping[str, float]
    raters: int
    funnel: str
    documents: tuple[str, ...]
    sources: tuple[str, ...] | None = None
    hypotheses: Mapping[Cell, str] = field(default_factory=lambda: MappingProxyType({}))
    spans: Mapping[Cell, tuple[tuple[ErrorSpan, ...], ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    source_lang: str | None = None
    target_lang: str | None = None
    severities: SeverityTable | None = None
    unscored: tuple[str, ...] = ()


def read_gold(
    path: str | Path,
    *,
    format: Format = "auto",  # noqa: A002 - the command line's word
    severities: SeverityTable = WMT_MQM,
    lower_is_better: bool = False,
) -> Gold:
    """Read human scores.

    Args:
        path: The file, plain or gzipped.
        format: What it is; ``auto`` decides by its name and its first line, and the funnel says so.
        severities: What a marked error costs.
        lower_is_better: The numbers of the file are errors. Formats with marked errors, which are
            errors anyway, pay no heed to it.

    Raises:
        UserError: E201..E203, E205, E206 the file cannot be read or has no rows; E220 it is in none
            of the formats; E221 rows that are none; E222 scores that are no finite numbers; E223
            fewer than two systems; E224 systems with different numbers of segments; E226 JSON that
            is no rating; E228 severities that the table does not know; E229 texts that do not
            belong to the scores. Exit code 3.
    """
    path = Path(path)
    file = read_lines(path)
    kind, why = _kind(file, path, format)
    gold = READERS[kind](file, path, severities)
    published = gold.published or _means(gold.scores.systems, gold.scores.values)
    gold = replace(gold, published=published)
    if lower_is_better and gold.severities is None:
        gold = replace(gold, scores=gold.scores.negated())
    gold = _scored_systems(gold, file.name)
    return replace(gold, funnel=f"{why}: {gold.funnel}")


def only_segments(gold: Gold, segments: Collection[str]) -> Gold:
    """The same systems on some of the segments, in the order of the test set.

    Args:
        gold: Human scores.
        segments: Ids, at least one of which the file has.
    """
    kept = [at for at, segment in enumerate(gold.scores.segments) if segment in segments]
    scores = replace(
        gold.scores,
        segments=tuple(gold.scores.segments[at] for at in kept),
        values=gold.scores.values[:, kept],
        signature=f"{gold.scores.signature}|segments:{len(kept)}",
    )
    sign = -1.0 if gold.severities is not None else 1.0
    published = {
        name: sign * value for name, value in _means(scores.systems, scores.values).items()
    }
    chosen = set(scores.segments)
    return replace(
        gold,
        scores=scores,
        published=published,
        documents=tuple(gold.documents[at] for at in kept),
        sources=None if gold.sources is None else tuple(gold.sources[at] for at in kept),
        hypotheses={cell: text for cell, text in gold.hypotheses.items() if cell[1] in chosen},
        spans={cell: marks for cell, marks in gold.spans.items() if cell[1] in chosen},
        funnel=f"{gold.funnel}; {len(kept):,} of {len(gold.scores.segments):,} segments kept",
    )


# ── formats ─────────────────────────────────────────────────────────────────────────────────────


def _kind(file: TextFile, path: Path, wanted: Format) -> tuple[Kind, str]:
    """What the file is, and how that was known."""
    line = next((line for line in file.lines if line.strip()), None)
    if line is None:
        refuse(Problem("E206", file.name, "no rows", "give a file with human scores"))
    kinds = get_args(Kind) if wanted == "auto" else KINDS[wanted]
    forms = {kind: form for form, several in KINDS.items() for kind in several}
    name = path.name.lower().removesuffix(".gz")
    for kind, ending in ENDINGS:
        if kind in kinds and name.endswith(ending):
            return kind, f"{forms[kind]} by its name"
    for kind, is_like in LOOKS:
        if kind in kinds and is_like(line):
            return kind, f"{forms[kind]} by its first line"
    if len(kinds) == 1:
        return kinds[0], forms[kinds[0]]  # whose reader says what it misses
    where = f"{file.name}:{file.lines.index(line) + 1}"
    formats = ", ".join(KINDS) if wanted == "auto" else wanted
    what = f"no file in a format of {formats} begins with {shown(line)}"
    other = next((forms[kind] for kind, is_like in LOOKS if is_like(line)), None)
    fix = f"--format {other}" if other else f"give a header, separated by tabs: {HEADER}"
    raise UserError([Problem("E220", where, what, fix)], EXIT_DATA)


def _is_rating_line(line: str) -> bool:
    cells = line.split("\t")
    return len(cells) in (2, 3) and cells[1].lstrip().startswith("{")


HEADER = "system doc docSegId rater source target category severity"
ENDINGS: tuple[tuple[Kind, str], ...] = (
    ("lists", ".seg.score"),
    ("lists", ".sys.score"),
    ("ratings", ".rating"),
    ("standalone", ".jsonl"),
)
LOOKS: tuple[tuple[Kind, Callable[[str], bool]], ...] = (
    ("mqm", is_mqm_header),
    ("direct", is_direct_header),
    ("mqm", is_nearly_mqm_header),
    ("table", is_table_header),
    ("lists", is_list_line),
    ("standalone", lambda line: line.lstrip().startswith("{")),
    ("ratings", _is_rating_line),
    ("mqm", is_marot_row),
)
"""What a first line can be, the most telling first."""


def _read_mqm(file: TextFile, _path: Path, severities: SeverityTable) -> Gold:
    return _of_errors(mqm_of(file), severities, file.name)


def _read_standalone(file: TextFile, _path: Path, severities: SeverityTable) -> Gold:
    return _of_errors(read_standalone_ratings(file), severities, file.name)


def _read_ratings(file: TextFile, path: Path, severities: SeverityTable) -> Gold:
    beside = read_texts_beside(path)
    found = read_evalset_ratings(
        file, rater=beside.name, hypotheses=beside.hypotheses, sources=beside.sources
    )
    gold = _of_errors(found, severities, file.name)
    return _with_texts(gold, beside, path)


def _read_lists(file: TextFile, path: Path, _severities: SeverityTable) -> Gold:
    scores = read_lists(file)
    values = np.array(list(scores.values()))
    is_whole = values.shape[1] == 1 and ".seg." not in path.name
    segments = (WHOLE,) if is_whole else tuple(str(n + 1) for n in range(values.shape[1]))
    signature = f"mtme|sha256:{digest_of(file)}"
    matrix = ScoreMatrix(tuple(scores), segments, values, signature)
    gold = Gold(matrix, {}, 0, f"{values.size:,} rows", ("",) * len(segments))
    return gold if is_whole else _with_texts(gold, read_texts_beside(path), path)


def _read_direct(file: TextFile, _path: Path, _severities: SeverityTable) -> Gold:
    found = read_direct(file)
    return Gold(
        found.scores,
        {},
        found.raters,
        found.counts,
        found.documents,
        found.sources,
        found.hypotheses,
    )


def _read_table(file: TextFile, _path: Path, _severities: SeverityTable) -> Gold:
    matrix = read_table(file)
    rows = len([line for line in file.lines if line.strip()]) - 1
    return Gold(matrix, {}, 0, f"{rows:,} rows", ("",) * len(matrix.segments))


READERS: Mapping[Kind, Callable[[TextFile, Path, SeverityTable], Gold]] = MappingProxyType(
    {
        "mqm": _read_mqm,
        "lists": _read_lists,
        "ratings": _read_ratings,
        "standalone": _read_standalone,
        "direct": _read_direct,
        "table": _read_table,
    }
)


# ── from files to gold ──────────────────────────────────────────────────────────────────────────


def _of_errors(file: MqmFile, severities: SeverityTable, name: str) -> Gold:
    """Weigh marked errors."""
    segments = tuple(segment.id for segment in file.segments)
    errors = np.full((len(file.systems), len(segments)), np.nan)
    row = {system: at for at, system in enumerate(file.systems)}
    column = {segment: at for at, segment in enumerate(segments)}
    for (system, segment), ratings in file.ratings.items():
        errors[row[system], column[segment]] = mean_error(ratings, severities)
    unknown = _unknown_severities(file, severities, name)
    sources = tuple(segment.source for segment in file.segments)
    source_lang, target_lang = file.languages
    return Gold(
        scores=ScoreMatrix(
            file.systems,
            segments,
            0.0 - errors,  # the sign flips here, once; 0.0 - 0.0 is no negative zero
            f"mqm|severities:{severities.name}|sha256:{file.digest}",
        ),
        published=_means(file.systems, errors),
        raters=len(file.raters),
        funnel="; ".join(filter(None, (file.funnel, f"severities {severities.name}{unknown}"))),
        documents=tuple(segment.document for segment in file.segments),
        sources=sources if any(sources) else None,
        hypotheses=file.hypotheses,
        spans={
            cell: tuple(rating.spans for rating in ratings)
            for cell, ratings in file.ratings.items()
        },
        source_lang=source_lang,
        target_lang=target_lang,
        severities=severities,
    )


def _unknown_severities(file: MqmFile, severities: SeverityTable, name: str) -> str:
    """What to say of errors that weigh nothing because their severity is not in the table."""
    words = [
        error.severity
        for ratings in file.ratings.values()
        for rating in ratings
        for error in rating.errors
    ]
    unknown = {word for word in set(words) if not severities.knows(word)}
    if words and unknown == set(words):
        what = f"no weight for any severity of the file: {some_of(sorted(unknown))}"
        fix = f"the table {severities.name} knows {', '.join(_severities_of(severities))}"
        refuse(Problem("E228", name, what, f"{fix}; give a table that knows the file's words"))
    if not unknown:
        return ""
    count = sum(word in unknown for word in words)
    return f", {count:,} errors of severities it does not know: {some_of(sorted(unknown))}"


def _severities_of(severities: SeverityTable) -> list[str]:
    return list(dict.fromkeys(key.partition("/")[0] for key in severities.weights))


def _with_texts(gold: Gold, beside: TextsBeside, path: Path) -> Gold:
    """Add what lies beside a file of mt-metrics-eval's.

    Raises:
        UserError: E229, it is not of as many segments; exit code 3.
    """
    have = beside.sources or beside.documents
    if have is not None and len(have) != len(gold.scores.segments):
        what = (
            f"scores of {len(gold.scores.segments):,} segments, but the test set they lie in has "
            f"{len(have):,}"
        )
        refuse(Problem("E229", str(path), what, "write None for segments without a score"))
    return replace(
        gold,
        documents=beside.documents or gold.documents,
        sources=beside.sources,
        hypotheses=beside.hypotheses,
        source_lang=beside.source_lang,
        target_lang=beside.target_lang,
    )


def _scored_systems(gold: Gold, name: str) -> Gold:
    """Keep the systems that have a score, sorted by name, and count what is missing.

    Raises:
        UserError: E223, fewer than two are left; exit code 3.
    """
    scores = gold.scores
    known = ~np.isnan(scores.values)
    some = {system for at, system in enumerate(scores.systems) if known[at].any()}
    systems = sorted(some)
    without = tuple(system for system in scores.systems if system not in some)
    if len(systems) < FEWEST_SYSTEMS:
        left = f"{some_of(systems)} alone" if systems else "none"
        what = f"fewer than {FEWEST_SYSTEMS} systems have scores: {left}"
        refuse(Problem("E223", name, what, "there is nothing to compare: give scores of several"))
    kept = scores.only(systems)
    missing = int(np.isnan(kept.values).sum())
    empty = int((~known).all(axis=0).sum())
    parts = [gold.funnel]
    if gold.severities is None:  # with marked errors the funnel tells this already
        parts += [
            f"{len(systems)} systems x {len(kept.segments):,} segments",
            f"{missing:,} of {kept.values.size:,} scores missing" if missing else "",
        ]
    parts += [
        f"{empty:,} segments without a score" if empty else "",
        f"systems without a score left out: {some_of(without)}" if without else "",
    ]
    return replace(
        gold,
        scores=kept,
        published={system: gold.published[system] for system in systems},
        unscored=without,
        funnel="; ".join(filter(None, parts)),
    )


def _means(systems: Sequence[str], values: Floats) -> dict[str, float]:
    """Mean of each system over its segments, NaN for one without any."""
    return dict(zip(systems, system_means(values).tolist(), strict=True))


# ── scores of metrics ───────────────────────────────────────────────────────────────────────────


def read_scores(
    path: str | Path, gold: Gold, *, name: str, may_miss: Collection[str] = ()
) -> ScoreMatrix:
    """Read a metric's scores of the translations that have human ones.

    Args:
        path: A ``.seg.score`` file (or ``.sys.score``, where the human scores are of whole
            systems), whose n-th line of a system is the n-th segment; or a table or rows with
            systems and segments of the names they have in ``gold``, in any order.
        gold: The human scores.
        name: Of the metric.
        may_miss: Systems that the file need not have; their rows are then NaN.

    Returns:
        As ``gold.scores``: the same systems and segments, NaN where the file has no score.

    Raises:
        UserError: E201..E203, E205, E206, E221, E222, E224 as `read_gold`; E220 it is no file of
            scores; E225 systems or segments are not those of the human scores. Exit code 3.
    """
    file = read_lines(path)
    found = _scores_of(file, Path(path), gold)
    wanted = gold.scores
    systems = [system for system in wanted.systems if system in found.systems]
    missing = [
        system
        for system in wanted.systems
        if system not in found.systems and system not in may_miss
    ]
    known = {*wanted.systems, *gold.unscored}
    here = set(found.segments)
    said = [
        _said(missing, "systems are missing"),
        _said([s for s in found.systems if s not in known], "systems have no human scores"),
        _said([s for s in wanted.segments if s not in here], "segments are missing"),
        _said([s for s in found.segments if s not in {*wanted.segments}], "segments are unknown"),
    ]
    if any(said):
        what = f"{name} is not of these translations: {'; '.join(filter(None, said))}"
        fix = "score every translation of the gold file, under its names"
        refuse(Problem("E225", file.name, what, fix))
    row = {system: at for at, system in enumerate(found.systems)}
    column = {segment: at for at, segment in enumerate(found.segments)}
    values = np.full(wanted.values.shape, np.nan)
    order = [column[segment] for segment in wanted.segments]
    for system in systems:
        values[wanted.systems.index(system)] = found.values[row[system], order]
    signature = f"{name}|file|sha256:{digest_of(file)}"
    return ScoreMatrix(wanted.systems, wanted.segments, values, signature)


def _scores_of(file: TextFile, path: Path, gold: Gold) -> ScoreMatrix:
    """What the file has, under its own names."""
    line = next((line for line in file.lines if line.strip()), "")
    is_named = path.name.lower().removesuffix(".gz").endswith(".score")
    if not is_named and is_direct_header(line):
        return read_direct(file).scores
    if not is_named and line and (is_nearly_mqm_header(line) or len(line.split()) == 1):
        what = f"no file of scores begins with {shown(line)}"
        fix = "write system and score lines, or a table separated by tabs"
        refuse(Problem("E220", f"{file.name}:{file.lines.index(line) + 1}", what, fix))
    if not is_named and is_table_header(line):
        return read_table(file)
    scores = read_lists(file)
    values = np.array(list(scores.values()))
    segments = gold.scores.segments
    if values.shape[1] != len(segments):
        what = (
            f"{values.shape[1]:,} scores for each system, and the human scores are of "
            f"{len(segments):,} segments"
        )
        refuse(Problem("E225", file.name, what, "give one for each, in their order"))
    return ScoreMatrix(tuple(scores), segments, values, "")


def _said(names: Sequence[str], what: str) -> str:
    return f"{len(names):,} {what} ({some_of(names)})" if names else ""
