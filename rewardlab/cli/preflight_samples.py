"""``rewardlab preflight --samples``: how rewards order a policy's own samples of each source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from rewardlab.cli.output import print_page, report, say, write_page
from rewardlab.data.lines import read_aligned
from rewardlab.errors import Problem, quantity, refuse, shown
from rewardlab.heartbeat import heartbeat
from rewardlab.preflight.on_samples import OnSamples, Samples, on_samples
from rewardlab.report.preflight import samples_page
from rewardlab.types import Gate, Term

FEWEST = 2


def run(
    terms: Sequence[Term],
    file: str,
    reference: str | None,
    *,
    gates: Sequence[Gate],
    languages: tuple[str | None, str | None],
    seed: int,
    outputs: tuple[Path | None, Path | None, Path | None],
) -> None:
    """Measure rewards on samples, print the table and write the outputs.

    Args:
        terms: The rewards.
        file: The samples.
        reference: References by line, or None if the samples have their own.
        gates: The gates of an ensemble; a gated sample has the worst score.
        languages: Languages of the sources and of the samples.
        seed: Seed of the intervals.
        outputs: The JSON, Markdown and HTML files, or None.

    Raises:
        UserError: E085, E201..E205, as `read_samples`; exit code 3.
    """
    samples = read_samples(file, reference, languages=languages)
    per = quantity(len(samples.texts[0]), "sample")
    say(f"{per} of each of {quantity(len(samples.sources), 'source')}")
    with heartbeat(say, lambda: "scoring the samples ..."):
        result = on_samples([term.reward for term in terms], samples, gates=gates, seed=seed)
    as_json, markdown, html = outputs
    page = samples_page(result)
    write_page(page, markdown=markdown, html=html)
    print_page(page)
    report({"samples": {n: _plain(one) for n, one in result.items()}}, file=as_json, shown=True)


def _plain(one: OnSamples) -> dict[str, Any]:
    """The measures as JSON, None for NaN."""

    def value(part: Any) -> Any:
        if hasattr(part, "_asdict"):
            return {name: value(inner) for name, inner in part._asdict().items()}
        return None if part != part else part  # noqa: PLR0124 - NaN

    return cast("dict[str, Any]", value(one))


def read_samples(
    file: str, reference: str | None, *, languages: tuple[str | None, str | None]
) -> Samples:
    """Read samples: the ``translations.jsonl`` or ``samples.jsonl`` of a run, or a file like it.

    A line is an object with ``source``, ``texts`` and, without a file of references, ``reference``.
    With one, ``id`` is the number of the line of the reference. All lines have the same number of
    texts.

    Args:
        file: The file.
        reference: File of references, or None.
        languages: Languages of the sources and of the samples.

    Raises:
        UserError: E085 a line has another form, E201..E205 the references; exit code 3.
    """
    lines = read_aligned([file])[0].lines
    references = None if reference is None else read_aligned([reference])[0].lines
    rows = [_row(file, at, line, references) for at, line in enumerate(lines, start=1)]
    groups = {len(texts) for _, _, texts in rows}
    if not rows or len(groups) > 1 or min(groups) < FEWEST:
        have = ", ".join(map(str, sorted(groups))) or "no"
        fix = "sample with rewardlab translate: samples=8 generation.temperature=1"
        what = f"rows have {have} texts; all need the same number, at least {FEWEST}"
        refuse(Problem("E085", file, what, fix))
    sources, targets, texts = zip(*rows, strict=True)
    return Samples(sources, targets, texts, *languages)


def _row(
    file: str, at: int, line: str, references: Sequence[str] | None
) -> tuple[str, str, list[str]]:
    """Source, reference and texts of a line.

    Raises:
        UserError: E085.
    """
    where = f"{file}:{at}"
    try:
        row: Any = json.loads(line)
        source, texts = row["source"], row["texts"]
        given = row.get("reference") if references is None else references[int(row["id"]) - 1]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        what = f"no source and texts with a reference: {shown(line)}"
        fix = 'a line such as {"id": "1", "source": "...", "texts": ["...", "..."]}, and -r FILE'
        refuse(Problem("E085", where, what, fix))
    if given is None:
        refuse(Problem("E085", where, "no reference", "give the references with -r FILE"))
    valid = isinstance(texts, list) and all(isinstance(one, str) for one in (source, given, *texts))
    if not valid:
        refuse(Problem("E085", where, "source, reference and texts are texts", shown(line)))
    return source, given, texts
