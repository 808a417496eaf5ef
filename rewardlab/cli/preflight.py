"""``rewardlab preflight``: whether a reward is safe to train on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from rewardlab.cli import judgements, options, preflight_samples
from rewardlab.cli.output import print_page, report, say, write_page
from rewardlab.cli.texts import read_texts
from rewardlab.config.ensemble import load_ensemble
from rewardlab.config.severities import load_severities
from rewardlab.data.lines import TextFile
from rewardlab.dry_run.findings import Findings
from rewardlab.errors import Problem, quantity, shown
from rewardlab.heartbeat import heartbeat
from rewardlab.human.formats import AUTO, read_gold
from rewardlab.metaeval.results import CONSTANT
from rewardlab.metaeval.scoring import check_texts
from rewardlab.preflight.honest_texts import (
    Honest,
    check_texts_to_attack,
    honest_of_gold,
    honest_of_texts,
)
from rewardlab.preflight.preflight import preflight
from rewardlab.preflight.safety import TOTAL
from rewardlab.report.preflight import preflight_page
from rewardlab.types import Gate, Term

MOST_CASES = 1000
FIRST = "hypothesis"
"""Name of the first system of a file of texts."""


def command(
    *,
    reward: options.Rewards = None,
    ensemble: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG", help="YAML of an RL run: its rewards and gates."),
    ] = None,
    gold: Annotated[
        str | None, typer.Option(metavar="FILE", help="Human judgements with texts.")
    ] = None,
    format_: judgements.GoldFormat = AUTO,
    severity: judgements.Severity = "wmt",
    reference_system: judgements.ReferenceSystem = None,
    exclude_systems: judgements.ExcludeSystems = None,
    source: options.SourceFile = None,
    hypothesis: Annotated[
        str | None,
        typer.Option("--hypothesis", "-t", metavar="FILE", help="Honest translations by a system."),
    ] = None,
    other_hypothesis: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="The same by another system; may be repeated."),
    ] = None,
    reference: options.ReferenceFile = None,
    source_lang: options.Language = None,
    target_lang: options.Language = None,
    samples: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A policy's samples (JSONL): what can RL learn?"),
    ] = None,
    cases: Annotated[
        int, typer.Option(metavar="N", min=1, help="Attack at most N translations.")
    ] = MOST_CASES,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the choice of cases and of intervals.")
    ] = 0,
    json: judgements.JsonFile = None,
    markdown: options.MarkdownFile = None,
    html: options.HtmlFile = None,
) -> None:
    """Attack honest translations: which attacks does a reward prefer, and what gate stops them?

    \b
    For example:
      rewardlab preflight --reward chrf --gold mqm.tsv --reference-system refA
          --source-lang en --target-lang de
      rewardlab preflight --ensemble rl.yaml -s news.en -t news.hyp -r news.de
          --source-lang en --target-lang de
      rewardlab preflight --reward chrf --samples runs/rerank/samples.jsonl -r news.de
    """  # noqa: D301 - click keeps the lines after this mark
    hypotheses = [*([] if hypothesis is None else [hypothesis]), *(other_hypothesis or ())]
    excluded = judgements.split_names(exclude_systems)
    found = Findings()
    texts = {
        "-s": [source] if source else [],
        "-t": hypotheses,
        "-r": [reference] if reference else [],
    }
    named = [*excluded, reference_system]
    found.add(_usage_problems(reward, ensemble, gold, texts, systems=named, samples=samples))
    if gold is None and samples is None:
        found.add(_language_problems(source_lang, target_lang))
    inputs = [ensemble, gold, source, *hypotheses, reference, samples]
    found.add(options.output_file_problems("--json", json, read=inputs, like="preflight.json"))
    found.add(
        options.output_file_problems("--markdown", markdown, read=inputs, like="preflight.md")
    )
    found.add(options.output_file_problems("--html", html, read=inputs, like="preflight.html"))
    terms, own_gates = build_ensemble(reward or (), ensemble, found)
    found.add(_reward_problems(terms, ensemble, referenced=bool(gold or reference or samples)))
    found.raise_if_any()
    if samples is not None:
        languages = (source_lang, target_lang)
        outputs = (json, markdown, html)
        preflight_samples.run(
            terms,
            samples,
            reference,
            gates=own_gates,
            languages=languages,
            seed=seed,
            outputs=outputs,
        )
        return
    if gold is not None:
        human = read_gold(
            gold,
            format=format_,
            severities=load_severities(severity),
            source_lang=source_lang,
            target_lang=target_lang,
        )
        check_texts_to_attack(human)
        rewards, where = [term.reward for term in terms], _rewards_option(ensemble)
        check_texts(rewards, human, reference_system, where=where)
        human = human.in_languages(
            source_lang, target_lang, where="--gold", fix=options.LANGUAGE_OPTIONS
        )
        source_lang, target_lang = human.source_lang, human.target_lang
        found.add(_language_problems(source_lang, target_lang))
        found.raise_if_any()
        honest = honest_of_gold(
            human,
            reference_system=reference_system,
            exclude=excluded,
        )
        notes = [human.funnel, *(f"note: {note}" for note in human.notes)]
    else:
        files = read_texts([one for one in (source, *hypotheses, reference) if one is not None])
        honest = honest_of_files(files, len(hypotheses), source_lang or "", target_lang or "")
        notes = [f"note: {note}" for file in files for note in file.notes]
    notes += [*options.pair_notes(source_lang, target_lang), *_counts(honest)]
    say(*notes)
    steps = [""]
    with heartbeat(say, lambda: f"{steps[-1]} ..."):
        result = preflight(
            terms,
            honest,
            own_gates=own_gates,
            total=ensemble is not None,
            most_cases=cases,
            seed=seed,
            tell=steps.append,
        )
    plain = {**result.as_json(), "notes": notes, "seed": seed}
    page = preflight_page(result)
    write_page(page, markdown=markdown, html=html)
    print_page(page)
    report(plain, file=json, shown=True)


# ── the command line ────────────────────────────────────────────────────────────────────────────


def _usage_problems(
    rewards: Sequence[str] | None,
    ensemble: Path | None,
    gold: str | None,
    texts: Mapping[str, Sequence[str]],
    *,
    systems: Sequence[str | None],
    samples: str | None,
) -> Iterator[Problem]:
    """E110, E115: options that exclude or require each other, and names of systems.

    Args:
        rewards: Specifications, or None.
        ensemble: Configuration of an RL run, or None.
        gold: File of human judgements, or None.
        texts: Option -> files of texts; empty if the option is not given.
        systems: The named systems of the gold file.
        samples: File of samples, or None.
    """
    command = "rewardlab preflight"
    if bool(rewards) == (ensemble is not None):
        what = "give rewards or an ensemble" + (", not both" if rewards else "")
        yield Problem("E110", command, what, "--reward chrf, or --ensemble rl.yaml")
    if samples is not None:
        given = {"--gold": gold, **{option: texts[option] for option in ("-s", "-t")}}
        if mixed := [option for option, value in given.items() if value]:
            what = f"--samples has its own texts, and {', '.join(mixed)} gives others"
            yield Problem("E110", "--samples", what, "keep one of the two")
        return
    if gold is not None:
        if mixed := [option for option, given in texts.items() if given]:
            what = f"--gold has its own texts, and {', '.join(mixed)} gives others"
            yield Problem("E110", "--gold", what, "keep one of the two")
        return
    named = [one for one in texts["-t"] if "=" in one and not Path(one).exists()]
    for one in named:
        file = one.partition("=")[2]
        what = f"{shown(one)} is not a file; systems have no names here"
        yield Problem("E115", "-t", what, f"-t {file}; --other-hypothesis FILE for a second system")
    if not (texts["-s"] and texts["-t"]):
        fix = "--gold FILE --reference-system NAME, or -s FILE -t FILE"
        yield Problem("E110", command, "no honest translations are given", fix)
    if any(systems):
        what = "systems are named, and there is no gold file that has them"
        yield Problem("E110", "--reference-system, --exclude-systems", what, "--gold FILE")


def _language_problems(source_lang: str | None, target_lang: str | None) -> Iterator[Problem]:
    """E111: a language that attacks and gates need is missing."""
    given = {"source": (source_lang, "en"), "target": (target_lang, "de")}
    for side, (code, example) in given.items():
        if code is None:
            what = f"the language of the {side} texts is not given"
            fix = f"--{side}-lang {example}, or another code or English name"
            yield Problem("E111", f"--{side}-lang", what, fix)


def build_ensemble(
    rewards: Sequence[str], ensemble: Path | None, found: Findings
) -> tuple[list[Term], list[Gate]]:
    """The terms to judge, and the ensemble's own gates.

    Args:
        rewards: Specifications such as ``chrf``; ignored if an ensemble is given.
        ensemble: Configuration of an RL run, or None.
        found: Receives E001..E036 of the configuration, E101..E104 of a reward.
    """
    if ensemble is not None:
        return found.attempt(load_ensemble, ensemble) or ([], [])
    return [
        Term(reward) for reward in options.parse_rewards(rewards, found, columns={CONSTANT, TOTAL})
    ], []


def _reward_problems(
    terms: Sequence[Term], ensemble: Path | None, *, referenced: bool
) -> Iterator[Problem]:
    """E042, E116: problems with names and references of the rewards.

    Args:
        terms: The terms to judge.
        ensemble: The configuration that the terms come from, or None.
        referenced: There are references; whether a gold file has them, its reader says.
    """
    where = _rewards_option(ensemble)
    rewards = [term.reward for term in terms]
    if not referenced:
        yield from options.without_references(rewards, where)
    for name in {reward.name for reward in rewards} & {CONSTANT, TOTAL} if ensemble else ():
        what = f"{shown(name)} is a row of the table already"
        yield Problem("E116", where, what, f"name: {name}_2")


def _rewards_option(ensemble: Path | None) -> str:
    return "--reward" if ensemble is None else "--ensemble"


# ── texts ───────────────────────────────────────────────────────────────────────────────────────


def honest_of_files(
    files: Sequence[TextFile], systems: int, source_lang: str, target_lang: str
) -> Honest:
    """Honest translations of line-aligned files.

    Args:
        files: Sources, the translations of each system and optionally references.
        systems: Number of systems.
        source_lang: Language code of the sources.
        target_lang: Language code of the translations.

    Raises:
        UserError: E240, E241; exit code 3.
    """
    sources, *others = files
    names = [FIRST, *(f"{FIRST}_{number}" for number in range(2, systems + 1))]
    return honest_of_texts(
        sources.lines,
        {name: file.lines for name, file in zip(names, others, strict=False)},
        others[systems].lines if len(others) > systems else None,
        source_lang=source_lang,
        target_lang=target_lang,
    )


def _counts(honest: Honest) -> Iterator[str]:
    sources = len({case.honest.source for case in honest.cases})
    systems = len(honest.gold.systems)
    texts, of = quantity(len(honest.cases), "honest text"), quantity(sources, "source")
    yield f"{texts} of {of} by {quantity(systems, 'system')}"
    if honest.left_out:
        yield f"{quantity(honest.left_out, 'translation')} left out: empty, or without another text"
    if honest.equal:
        of = quantity(len(honest.cases), "translation")
        yield f"{honest.equal:,} of {of} equal their reference"
