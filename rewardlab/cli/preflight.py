"""``rewardlab preflight``: is this reward safe to train on?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewardlab.cli.judgements import (
    ExcludeSystems,
    GoldFormat,
    JsonFile,
    ReferenceSystem,
    Severity,
    console,
    output_problems,
    split_names,
)
from rewardlab.cli.reward_arguments import (
    Language,
    Rewards,
    parse_rewards,
    repeated,
    without_references,
)
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

if TYPE_CHECKING:
    from rewardlab.human.gold import Gold
    from rewardlab.preflight.honest_texts import Honest
    from rewardlab.preflight.preflight import Preflight
    from rewardlab.types import Gate, Term

MOST_CASES = 1000
FIRST = "hypothesis"


@dataclass(frozen=True)
class PreflightConfig:
    """What to judge, and on which honest translations.

    Attributes:
        rewards: Specifications such as ``chrf`` and ``no_repetition:n=4``.
        ensemble: Configuration whose ``rewards`` and ``gates`` are judged, or None.
        gold: File of human judgements with texts, or None.
        format: Its form; ``auto`` sees for itself.
        severity: Name of a severity table, or a file with one.
        reference_system: Whose texts are the references, or None.
        exclude_systems: Systems of the gold file that are left out.
        source: File of source texts, or None.
        hypothesis: Files of honest translations; the first one, and those of other systems.
        reference: File of references, or None.
        source_lang: Language code; the gold file's by default.
        target_lang: Likewise.
        cases: Most honest translations that are attacked.
        seed: Of their choice, and of the bootstrap.
        json: Write the result there too, or None.
    """

    rewards: tuple[str, ...] = ()
    ensemble: Path | None = None
    gold: str | None = None
    format: str = "auto"
    severity: str = "wmt"
    reference_system: str | None = None
    exclude_systems: tuple[str, ...] = ()
    source: str | None = None
    hypothesis: tuple[str, ...] = ()
    reference: str | None = None
    source_lang: str | None = None
    target_lang: str | None = None
    cases: int = MOST_CASES
    seed: int = 0
    json: Path | None = None


def command(
    *,
    reward: Rewards = None,
    ensemble: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG", help="YAML of an RL run: its rewards and gates."),
    ] = None,
    gold: Annotated[
        str | None, typer.Option(metavar="FILE", help="Human judgements with texts.")
    ] = None,
    format_: GoldFormat = "auto",
    severity: Severity = "wmt",
    reference_system: ReferenceSystem = None,
    exclude_systems: ExcludeSystems = None,
    source: Annotated[
        str | None, typer.Option("--source", "-s", metavar="FILE", help="Source texts.")
    ] = None,
    hypothesis: Annotated[
        str | None,
        typer.Option("--hypothesis", "-t", metavar="FILE", help="Honest translations by a system."),
    ] = None,
    other_hypothesis: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="The same by another system; may be repeated."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", "-r", metavar="FILE", help="Reference texts.")
    ] = None,
    source_lang: Language = None,
    target_lang: Language = None,
    cases: Annotated[
        int, typer.Option(metavar="N", min=1, help="Attack at most so many translations.")
    ] = MOST_CASES,
    seed: Annotated[int, typer.Option(min=0, help="Of their choice, and of intervals.")] = 0,
    json: JsonFile = None,
) -> None:
    """Attack honest translations: which attacks does a reward prefer, and what gate stops them?

    For example: rewardlab preflight --reward chrf --gold mqm.tsv --reference-system refA
    --source-lang en --target-lang de
    or: rewardlab preflight --ensemble rl.yaml -s news.en -t news.hyp -r news.de --source-lang en
    --target-lang de
    """
    first = [] if hypothesis is None else [hypothesis]
    run(
        PreflightConfig(
            rewards=tuple(reward or ()),
            ensemble=ensemble,
            gold=gold,
            format=format_,
            severity=severity,
            reference_system=reference_system,
            exclude_systems=split_names(exclude_systems),
            source=source,
            hypothesis=(*first, *(other_hypothesis or ())),
            reference=reference,
            source_lang=source_lang,
            target_lang=target_lang,
            cases=cases,
            seed=seed,
            json=json,
        )
    )


def run(config: PreflightConfig) -> None:
    """Read, attack, judge; print JSON on stdout and tables on stderr.

    Raises:
        UserError: Usage, E001..E036 of an ensemble or a severity table, E042, E101..E104, E110,
            E111, E116..E118 (exit code 2); the files, E201..E206, E220..E229, E240..E242, E250,
            E251 (3); the disk, E210 (75).
        RewardFailed: A reward raised or broke its contract.
        RewardUnavailable: A gate could not judge a text.
        TooManyFailures: A reward was not there for most texts.
    """
    import json

    from rewardlab.cli.training import report, say
    from rewardlab.heartbeat import heartbeat
    from rewardlab.preflight.preflight import preflight
    from rewardlab.store.files import replace_file

    terms, own_gates = check_usage(config)
    honest, notes = read(config)
    notes = (*notes, *_notes(honest))
    say(*notes)
    doing = ""

    def tell(line: str) -> None:
        nonlocal doing
        doing = line

    with heartbeat(say, lambda: f"{doing} ..."):
        found = preflight(
            terms,
            honest,
            own_gates=own_gates,
            total=config.ensemble is not None,
            most_cases=config.cases,
            seed=config.seed,
            tell=tell,
        )
    result = {**found.as_json(), "notes": list(notes), "seed": config.seed}
    if config.json is not None:
        text = json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
        replace_file(config.json, f"{text}\n")
    show(found)
    report(result)


# ── what is asked for ───────────────────────────────────────────────────────────────────────────


def check_usage(config: PreflightConfig) -> tuple[list[Term], list[Gate]]:
    """Build the rewards, and refuse before anything is read what could not be judged.

    Returns:
        The terms, and the gates of an ensemble's own.

    Raises:
        UserError: Everything wrong with the command line and the ensemble; exit code 2.
    """
    problems = [*_usage_problems(config)]
    problems += _output_problems(config)
    terms: list[Term] = []
    gates: list[Gate] = []
    try:
        terms, gates = _ensemble(config)
    except UserError as error:
        problems += error.problems
    problems += _reward_problems(config, terms)
    if problems:
        raise UserError(problems)
    return terms, gates


def _ensemble(config: PreflightConfig) -> tuple[list[Term], list[Gate]]:
    from rewardlab.config.ensemble import load_ensemble
    from rewardlab.types import Term

    if config.ensemble is not None:
        return load_ensemble(config.ensemble)
    rewards, problems = parse_rewards(config.rewards)
    if problems:
        raise UserError(problems)
    return [Term(reward) for reward in rewards], []


def _usage_problems(config: PreflightConfig) -> Iterator[Problem]:
    if bool(config.rewards) == (config.ensemble is not None):
        what = "give rewards or an ensemble" + (", not both" if config.rewards else "")
        yield Problem("E110", "rewardlab preflight", what, "--reward chrf, or --ensemble rl.yaml")
    texts = {"-s": config.source, "-t": config.hypothesis, "-r": config.reference}
    if config.gold is not None:
        mixed = [option for option, given in texts.items() if given]
        if mixed:
            what = f"--gold has its own texts, and {', '.join(mixed)} gives others"
            yield Problem("E110", "--gold", what, "keep one of the two")
        return
    if config.source is None or not config.hypothesis:
        fix = "--gold FILE --reference-system NAME, or -s FILE -t FILE"
        yield Problem("E110", "rewardlab preflight", "no honest translations are given", fix)
    if config.reference_system is not None or config.exclude_systems:
        what = "systems are named, and there is no gold file that has them"
        yield Problem("E110", "--reference-system, --exclude-systems", what, "--gold FILE")
    yield from _language_problems(config.source_lang, config.target_lang)


def _output_problems(config: PreflightConfig) -> Iterator[Problem]:
    inputs = (config.ensemble, config.gold, config.source, *config.hypothesis, config.reference)
    read = {Path(path).resolve() for path in inputs if path is not None}
    if config.json is not None and config.json.resolve() in read:
        what = f"{shown(str(config.json))} is read, and would be overwritten"
        yield Problem("E118", "--json", what, "name another file: preflight.json")
    else:
        yield from output_problems("--json", config.json, like="preflight.json")


def _language_problems(source_lang: str | None, target_lang: str | None) -> Iterator[Problem]:
    """Probes and gates must know what language a text should be in."""
    from rewardlab.text.languages import language_code

    for option, code in (("--source-lang", source_lang), ("--target-lang", target_lang)):
        if code is None:
            yield Problem("E111", option, "the language is not known", f"{option} de")
            continue
        try:
            language_code(code)
        except ValueError as error:
            yield Problem("E111", option, str(error).rstrip(".?"), f"{option} de")


def _reward_problems(config: PreflightConfig, terms: Sequence[Term]) -> Iterator[Problem]:
    from rewardlab.metaeval.results import CONSTANT
    from rewardlab.preflight.safety import TOTAL

    of_gold = config.gold is not None
    referenced = config.reference_system if of_gold else config.reference
    where = "--ensemble" if config.ensemble is not None else "--reward"
    rewards = [term.reward for term in terms]
    if referenced is None:
        by_name = "name the system that wrote them: --reference-system NAME"
        yield from without_references(
            rewards, where, by_name if of_gold else "give them with -r FILE"
        )
    yield from repeated([reward.name for reward in rewards], where)
    for name in {reward.name for reward in rewards} & {CONSTANT, TOTAL}:
        what = f"{shown(name)} is a row of the table already"
        yield Problem("E116", where, what, f"{name}:name={name}_2")


# ── honest translations ─────────────────────────────────────────────────────────────────────────


def read(config: PreflightConfig) -> tuple[Honest, tuple[str, ...]]:
    """Read the honest translations, and what was done to the files.

    Raises:
        UserError: E111 the gold file names no languages and neither do the arguments (exit code
            2); the files (3).
    """
    if config.gold is None:
        return _read_texts(config)
    from rewardlab.config.severities import load_severities
    from rewardlab.human.formats import read_gold
    from rewardlab.preflight.honest_texts import honest_of_gold

    severities = load_severities(config.severity)
    gold = read_gold(config.gold, format=config.format, severities=severities)
    _check_languages(config, gold)
    honest = honest_of_gold(
        gold,
        reference_system=config.reference_system,
        exclude=config.exclude_systems,
        source_lang=config.source_lang,
        target_lang=config.target_lang,
    )
    return honest, (gold.funnel,)


def _notes(honest: Honest) -> Iterator[str]:
    sources = len({case.honest.source for case in honest.cases})
    systems = len(honest.gold.systems)
    yield f"{len(honest.cases):,} honest texts of {sources:,} sources by {systems} systems"
    if honest.left_out:
        yield f"{honest.left_out:,} translations left out: empty, or without another text"
    if honest.equal:
        yield f"{honest.equal:,} of {len(honest.cases):,} translations equal their reference"


def _check_languages(config: PreflightConfig, gold: Gold) -> None:
    source_lang = config.source_lang or gold.source_lang
    problems = [*_language_problems(source_lang, config.target_lang or gold.target_lang)]
    if problems:
        raise UserError(problems)


def _read_texts(config: PreflightConfig) -> tuple[Honest, tuple[str, ...]]:
    from rewardlab.data.lines import read_aligned
    from rewardlab.preflight.honest_texts import honest_of_texts

    texts = [config.source or "", *config.hypothesis]
    paths = [*texts, *([config.reference] if config.reference is not None else [])]
    files = read_aligned(paths)
    if not files[0].lines:
        raise UserError(
            [Problem("E206", files[0].name, "no rows", "give a file with text")], EXIT_DATA
        )
    names = [FIRST, *(f"{FIRST}_{number}" for number in range(2, len(config.hypothesis) + 1))]
    honest = honest_of_texts(
        files[0].lines,
        {name: file.lines for name, file in zip(names, files[1:], strict=False)},
        files[-1].lines if config.reference is not None else None,
        source_lang=config.source_lang or "",
        target_lang=config.target_lang or "",
    )
    return honest, tuple(note for file in files for note in file.notes)


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def show(found: Preflight) -> None:
    """Print tables, and what they mean, on stderr."""
    from rewardlab.cli.training import say
    from rewardlab.report.preflight import (
        LEGEND,
        advice,
        agreement_table,
        exposure_tables,
        gate_table,
        verdicts,
    )

    stderr = console()
    agreement = agreement_table(found)
    if agreement is not None:
        stderr.print(agreement)
    for table in exposure_tables(found.safety):
        stderr.print(table)
    stderr.print(gate_table(found.safety))
    stderr.print(verdicts(found.safety))
    say(*LEGEND, *advice(found.safety))
