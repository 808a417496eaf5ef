"""What the parts of a configuration mean together with prompts, rewards, data and the file system.

The schema says whether every value can be right by itself; here they meet. Every check takes the
parts it is about, so that each configuration is held to those that concern it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.config.problems import nearest, not_a_choice
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.errors import Problem, UserError, shown
from rewardlab.text.prompts import PROMPTS

if TYPE_CHECKING:
    from rewardlab.config.sections import DataConfig, GateConfig, RewardConfig, Rows
    from rewardlab.types import Candidate, Gate, Reward, Term

NOWHERE = Document("the configuration", {}, {})
"""Names problems of a configuration that was built in code."""


def choice_problems(
    keys: Keys, name: str, table: Collection[str], what: str, document: Document
) -> Iterator[Problem]:
    """E026: a name that the schema leaves to the module that has it."""
    if name not in table:
        yield not_a_choice(keys, name, table, document, what=what)


def prompt_problems(
    prompt: str, data: Sequence[DataConfig], document: Document
) -> Iterator[Problem]:
    """E026 no such prompt style; E039 it names languages, and a code is unknown."""
    yield from choice_problems(("prompt",), prompt, PROMPTS, "a prompt style", document)
    for at, one in enumerate(data if prompt in PROMPTS else ()):
        try:
            PROMPTS[prompt]("", source_lang=one.source_lang, target_lang=one.target_lang)
        except ValueError as error:
            what = f"the prompt style {prompt} cannot be written: {str(error).rstrip('.?')}"
            fix = "correct the code, or take a style that names no language: prompt: arrow"
            keys = ("data", at) if len(data) > 1 else ("data",)
            yield Problem("E039", document.where(keys), what, fix)


def without_reference(data: Sequence[DataConfig]) -> list[str]:
    """The corpora that have no references, by their place in the file."""
    lacking = [at for at, one in enumerate(data) if one.reference is None]
    return [f"data.{at}" if len(data) > 1 else "data" for at in lacking]


def checkpoint_problems(path: Path, keys: Keys, document: Document) -> Iterator[Problem]:
    """E028: no directory that ``save_pretrained`` could have written."""
    if not (path / "config.json").is_file():
        what = f"{shown(str(path))} is no saved checkpoint: it holds no config.json"
        fix = "give the directory that save_pretrained wrote"
        if (path / "model" / "config.json").is_file():
            fix = f"a run keeps its policy one level down: {keys[-1]}: {path / 'model'}"
        yield Problem("E028", document.where(keys), what, fix)


def check_run_directory(run: Path) -> None:
    """Refuse to start a run where something stands already.

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
    rewards: Sequence[RewardConfig],
    gates: Sequence[GateConfig],
    data: Sequence[DataConfig],
    document: Document,
) -> Iterator[Problem]:
    """Unknown rewards and options, missing references, names that would merge in the logs.

    Rewards are constructed, which is cheap; no model loads. E029, E032, E036, E101..E104.
    """
    without = without_reference(data)
    names: dict[str, int] = {}
    for section, entries in (("rewards", rewards), ("gates", gates)):
        for at, entry in enumerate(entries):
            keys: Keys = (section, at)
            try:
                reward = build(entry.reward, entry.options)
            except UserError as error:
                own = type(entry).model_fields.keys() - {"options", "reward"}
                for problem in error.problems:
                    yield placed(problem, keys, entry.options, own, document)
                continue
            if section == "rewards":
                yield from _cache_problems(reward, rewards[at].cache, keys, document)
            if reward.needs_reference and without:
                what = f"{reward.name} reads references, and {without[0]} has none"
                fix = "add reference: to the data, or remove the reward"
                yield Problem("E032", document.where(keys), what, fix)
            if section == "rewards" and names.setdefault(reward.name, at) != at:
                what = f"{reward.name} stands here and in rewards.{names[reward.name]}"
                fix = f"remove one, or give it a name of its own, name: {reward.name}_2"
                yield Problem("E036", document.where(keys), what, fix)


def _cache_problems(
    reward: Reward, path: Path | None, keys: Keys, document: Document
) -> Iterator[Problem]:
    """E352 the directory of its cache is missing; E354 the reward cannot be cached."""
    try:
        with_memory(reward, path)
    except UserError as error:
        for problem in error.problems:
            yield dataclasses.replace(problem, where=document.where((*keys, "cache")))
    if path is not None and not path.absolute().parent.is_dir():
        what = f"{shown(str(path))} cannot be made: its directory is not there"
        fix = f"mkdir -p {path.parent}"
        yield Problem("E352", document.where((*keys, "cache")), what, fix)


def build_terms(rewards: Sequence[RewardConfig]) -> list[Term]:
    """The ensemble's terms; models load when they are first used.

    Raises:
        UserError: E101..E104 an unknown reward or option; E354 a cache for one that has no keys.
    """
    from rewardlab.types import Term

    return [
        Term(
            with_memory(build(entry.reward, entry.options), entry.cache),
            weight=entry.weight,
            token_weight=entry.token_weight,
            applies=applies_to(entry.applies),
        )
        for entry in rewards
    ]


def applies_to(rows: Rows) -> Callable[[Candidate], bool]:
    """Whether a term or gate is for a row."""
    from rewardlab.types import always, is_generic, is_translation

    return {"all": always, "translations": is_translation, "generic": is_generic}[rows]


def with_memory(reward: Reward, path: Path | None) -> Reward:
    """The reward, remembering what it has scored if there is a path to remember it at.

    Raises:
        UserError: E354, nobody knows what its scores depend on; exit code 2.
    """
    from rewardlab.rewards import Cached

    if path is None:
        return reward
    try:
        return Cached(reward, path)
    except ValueError as error:
        fix = "remove cache:; of a service, say which one it must be, expects: SIGNATURE"
        raise UserError([Problem("E354", reward.name, str(error), fix)]) from error


def build_gates(gates: Sequence[GateConfig]) -> list[Gate]:
    """The ensemble's gates.

    Raises:
        UserError: E101..E104 an unknown reward or option.
    """
    from rewardlab.types import Gate

    return [
        Gate(build(entry.reward, entry.options), entry.below, applies_to(entry.applies))
        for entry in gates
    ]


def build(name: str, options: Mapping[str, Any]) -> Reward:
    """Build a reward from a name and options, or from a specification that holds them.

    Raises:
        UserError: E029 options in both places; E101..E104 an unknown reward or option.
    """
    from rewardlab.rewards.registry import build_reward, parse_reward

    if ":" not in name:
        return build_reward(name, options)
    if options:
        what = f"options stand both in {shown(name)} and beside it: {', '.join(options)}"
        raise UserError([Problem("E029", name, what, "write all of them as keys")])
    return parse_reward(name)


def placed(
    problem: Problem,
    keys: Keys,
    options: Mapping[str, Any],
    own: Collection[str],
    document: Document,
) -> Problem:
    """Move what the registry says about a reward to the line it stands in.

    The registry knows the reward's options; a misspelt ``weight`` looks like one to it.
    """
    option = problem.where.rpartition(".")[2]
    if option not in options:
        return dataclasses.replace(problem, where=document.where(keys))
    close = nearest(option, own)
    fix = f"{close}: {options[option]}" if close is not None else problem.fix
    return dataclasses.replace(problem, where=document.where((*keys, option)), fix=fix)
