"""Checks between the parts of a configuration, and with prompts, rewards, data and the file system.

The schema checks each value by itself; these functions find invalid combinations. Each takes only
the parts that it compares, so that every configuration can use the checks that it needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rewardlab.config.problems import not_a_choice
from rewardlab.config.sections import DataConfig, EnsembleConfig, GateConfig, RewardConfig, Rewarded
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.errors import Problem, UserError, nearest, shown
from rewardlab.rewards import Cached
from rewardlab.rewards.registry import build_reward, parse_reward
from rewardlab.text.prompts import PROMPTS
from rewardlab.types import Candidate, Gate, Reward, Term, always, is_generic, is_translation

NOWHERE = Document("the configuration", {}, {})
"""The document of a configuration that was built in code, for the places of problems."""


def choice_problems(
    keys: Keys, name: str, table: Collection[str], what: str, document: Document
) -> Iterator[Problem]:
    """E026: a name that its table lacks.

    Args:
        keys: The place of the name.
        name: The name.
        table: The names that exist.
        what: What it should name: ``a prompt style``.
        document: The file.
    """
    if name not in table:
        yield not_a_choice(keys, name, table, document, what=what)


def prompt_problems(
    prompt: str, data: Sequence[DataConfig], document: Document
) -> Iterator[Problem]:
    """E026 unknown prompt style; E039 the style names languages, and one has no name.

    Args:
        prompt: The name of a prompt style.
        data: The corpora that it is used for.
        document: The file.
    """
    yield from choice_problems(("prompt",), prompt, PROMPTS, "a prompt style", document)
    for at, corpus in enumerate(data if prompt in PROMPTS else ()):
        try:
            PROMPTS[prompt]("", source_lang=corpus.source_lang, target_lang=corpus.target_lang)
        except ValueError as error:
            what = f"the prompt style {prompt} names languages: {str(error).rstrip('.?')}"
            fix = "take a style that names no language: prompt: arrow"
            keys = ("data", at) if len(data) > 1 else ("data",)
            yield document.problem("E039", keys, what, fix)


def without_reference(data: Sequence[DataConfig]) -> list[str]:
    """The corpora without references, by their place in the file."""
    lacking = [at for at, corpus in enumerate(data) if corpus.reference is None]
    return [f"data.{at}" if len(data) > 1 else "data" for at in lacking]


def checkpoint_problems(path: Path | None, keys: Keys, document: Document) -> Iterator[Problem]:
    """E028: not a directory that ``save_pretrained`` could have written.

    Args:
        path: The checkpoint; None for a model from scratch.
        keys: Its place in the file.
        document: The file.
    """
    if path is not None and not (path / "config.json").is_file():
        what = f"{shown(str(path))} is no saved checkpoint: it holds no config.json"
        fix = "give the directory that save_pretrained wrote"
        if (path / "model" / "config.json").is_file():
            fix = f"a run keeps its policy one level down: {keys[-1]}: {path / 'model'}"
        yield document.problem("E028", keys, what, fix)


def check_run_directory(run: Path) -> None:
    """Refuse to start a run in a directory that is not empty.

    Raises:
        UserError: E030, exit code 2.
    """
    if run.is_dir() and not any(run.iterdir()):
        return
    if run.exists() or run.is_symlink():
        what = "exists and is not an empty directory"
        fix = f"give another one: run={run}-2"
        raise UserError([Problem("E030", f"run {shown(str(run))}", what, fix)])


# ── rewards ─────────────────────────────────────────────────────────────────────────────────────


def reward_problems(
    ensemble: EnsembleConfig, data: Sequence[DataConfig], document: Document
) -> list[Problem]:
    """Problems of an ensemble. Rewards are constructed, which is cheap; no model is loaded.

    Args:
        ensemble: The sections ``rewards`` and ``gates``.
        data: The corpora that are scored.
        document: The file.

    Returns:
        E026, E029, E032, E036, E101..E106; E352, E354.
    """
    _, of_rewards = build_entries("rewards", ensemble.rewards, data, document)
    _, of_gates = build_entries("gates", ensemble.gates, data, document)
    return of_rewards + of_gates


def build_entries(
    section: str, entries: Sequence[Rewarded], data: Sequence[DataConfig], document: Document
) -> tuple[dict[str, Reward], list[Problem]]:
    """Construct the rewards of a list.

    Args:
        section: The key of the list: ``rewards``.
        entries: The list.
        data: The corpora that are scored.
        document: The file.

    Returns:
        Name -> reward, and the problems: those of `build_entry`, `Term` and `Gate`; E032 missing
        references, E036 two rewards with one name (gates may share names), E352 the directory of a
        cache is missing.
    """
    rewards: dict[str, Reward] = {}
    problems: list[Problem] = []
    places: dict[str, str] = {}
    without = without_reference(data)
    for at, entry in enumerate(entries):
        keys: Keys = (section, at)
        cache = entry.cache if isinstance(entry, RewardConfig) else None
        if cache is not None and not cache.absolute().parent.is_dir():
            what = f"{shown(str(cache))} cannot be made: its directory is not there"
            fix = f"mkdir -p {cache.parent}"
            problems.append(document.problem("E352", (*keys, CACHE), what, fix))
        try:
            reward = _reward_of(entry)
        except UserError as error:
            problems += [_placed(problem, keys, entry, document) for problem in error.problems]
            continue
        if reward.needs_reference and without:
            what = f"{reward.name} reads references, and {without[0]} has none"
            fix = f"add reference: to the data, or remove the {section[:-1]}"
            problems.append(document.problem("E032", keys, what, fix))
        if reward.name not in rewards:
            rewards[reward.name], places[reward.name] = reward, f"{section}.{at}"
        elif not isinstance(entry, GateConfig):
            what = f"{reward.name} is listed twice, first as {places[reward.name]}"
            fix = f"remove one, or give it a name of its own, name: {reward.name}_2"
            problems.append(document.problem("E036", keys, what, fix))
    return rewards, problems


def _placed(problem: Problem, keys: Keys, entry: Rewarded, document: Document) -> Problem:
    """A problem of `build_entry`, at its place in the file.

    The registry reports a misspelt ``weight`` as an unknown option of the reward.
    """
    option, fix = problem.where.rpartition(".")[2], problem.fix
    if option in entry.options:
        close = nearest(option, type(entry).model_fields.keys() - {"reward"})
        fix = f"{close}: {entry.options[option]}" if close is not None else fix
    own = "." in problem.where and option in type(entry).model_fields
    if option in entry.options or own:
        keys = (*keys, option)
    return dataclasses.replace(problem, where=document.where(keys), fix=fix)


def build_terms(rewards: Iterable[RewardConfig]) -> list[Term]:
    """The ensemble's terms; models load when they are first used.

    Raises:
        UserError: As `build_entry` and `Term`.
    """
    return [_term(entry) for entry in rewards]


def build_gates(gates: Iterable[GateConfig]) -> list[Gate]:
    """The ensemble's gates.

    Raises:
        UserError: As `build_entry` and `Gate`.
    """
    return [_gate(entry) for entry in gates]


def _term(entry: RewardConfig) -> Term:
    return Term(build_entry(entry), entry.weight, entry.token_weight, _APPLIES[entry.applies])


def _gate(entry: GateConfig) -> Gate:
    return Gate(build_entry(entry), entry.below, _APPLIES[entry.applies])


def _reward_of(entry: Rewarded) -> Reward:
    """The reward of an entry, whose weights or threshold are checked with it."""
    if isinstance(entry, RewardConfig):
        return _term(entry).reward
    return _gate(entry).reward if isinstance(entry, GateConfig) else build_entry(entry)


def build_entry(entry: Rewarded) -> Reward:
    """The reward of an entry, with its cache; no model is loaded.

    Raises:
        UserError: E029 options both in the entry and in the reward's specification; E101..E104 an
            unknown reward or option; E354 the scores cannot be cached, because it is unknown what
            they depend on. Exit code 2.
    """
    name, options = entry.reward, entry.options
    if ":" in name and options:
        what = f"options stand both in {shown(name)} and beside it: {', '.join(options)}"
        raise UserError([Problem("E029", name, what, "write all of them as keys")])
    reward = parse_reward(name) if ":" in name else build_reward(name, options)
    path = entry.cache if isinstance(entry, RewardConfig) else None
    try:
        return reward if path is None else Cached(reward, path)
    except ValueError as error:
        fix = "remove cache:; of a service, say which one it must be, expects: SIGNATURE"
        raise UserError([Problem("E354", f"{name}.{CACHE}", str(error), fix)]) from error


CACHE = "cache"
_APPLIES: Mapping[str, Callable[[Candidate], bool]] = {
    "all": always,
    "translations": is_translation,
    "generic": is_generic,
}
