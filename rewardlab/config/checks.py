"""Checks between the parts of a configuration, and with prompts, rewards, data and the file system.

The schema checks each value by itself; these functions find invalid combinations. Each takes only
the parts that it compares, so that every configuration can use the checks that it needs.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from rewardlab.config.problems import not_a_choice
from rewardlab.config.sections import (
    DataConfig,
    EnsembleConfig,
    GateConfig,
    RewardConfig,
    Rewarded,
    TextsConfig,
)
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.errors import Problem, UserError, nearest, shown
from rewardlab.rewards import Cached
from rewardlab.rewards.registry import build_reward, parse_reward
from rewardlab.store.checkpoints import NOT_GGUF, gguf_file, has_settings
from rewardlab.store.lock import in_use, run_lock
from rewardlab.store.run_directory import (
    CONFIG,
    METRICS,
    MODEL,
    STOPPED,
    has_no_steps,
    last_step,
)
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
    prompt: str, data: Sequence[TextsConfig], document: Document
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
    if path is None or has_settings(path):
        return
    what = f"{shown(str(path))} is no saved checkpoint: it holds no config.json"
    fix = "give the directory that save_pretrained wrote"
    if has_settings(path / "model"):
        fix = f"a run keeps its policy one level down: {keys[-1]}: {path / 'model'}"
    elif (file := gguf_file(path)) is not None:
        what, fix = f"{shown(str(path))} has its weights in {file.name}, a GGUF", NOT_GGUF
    elif (command := run_that_writes(path, document)) is not None:
        what = f"{shown(str(path))} is not there yet: another run writes it"
        fix = f"first run: {command}"
    yield document.problem("E028", keys, what, fix)


def model_problems(
    problems: Iterable[Problem], model: Path | None, keys: Keys, document: Document
) -> Iterator[Problem]:
    """Problems of a model at its place in the file; a missing one may be made by another run.

    Args:
        problems: What its reader found.
        model: The model; None if the problems are of something else.
        keys: Its place in the file.
        document: The file.
    """
    command = None if model is None else run_that_writes(model, document)
    for problem in problems:
        fix = problem.fix if command is None else f"first run: {command}"
        yield dataclasses.replace(problem, where=document.where(keys), fix=fix)


def run_that_writes(model: Path, document: Document) -> str | None:
    """The command that makes a missing model, by the configurations beside a file.

    Args:
        model: The path of a model, or the directory of the run that should have made it.
        document: The file that names it.

    Returns:
        The command; None if the model's run directory exists, or no file beside it writes there.
    """
    run = model.parent if model.name == MODEL else model
    if run.exists() or not Path(document.name).is_file():
        return None
    for file in sorted(Path(document.name).parent.glob("*.yaml")):
        text = file.read_text(encoding="utf-8", errors="replace")
        if (found := re.search(r"^run:[ ]*([^#\n]+)", text, re.MULTILINE)) is None:
            continue
        if Path(found[1].strip().strip("'\"")) == run:
            keys = re.findall(r"^(\w+):", text, re.MULTILINE)
            return f"rewardlab {command_of(keys)} {file}"
    return None


def command_of(keys: Iterable[str]) -> str:
    """The command of a configuration with these keys."""
    keys = {*keys}
    if "stages" in keys:
        return "train-reward"
    if "systems" in keys:
        return "evaluate"
    if "rewards" in keys:
        return "rerank" if keys & {"model", "samples_from"} else "rl"
    return "translate" if "model" in keys else "sft"


def check_not_running(run: Path) -> None:
    """Refuse to start a run in a directory that another process is working in.

    Raises:
        UserError: E084, exit code 2.
    """
    fix = f"give another directory: run={free_name(run)}"
    if (problem := in_use(run_lock(run), f"run {shown(str(run))}", fix)) is not None:
        raise UserError([problem])


def check_run_directory(run: Path) -> None:
    """Refuse to start a run in a directory that contains anything.

    A directory is accepted if it is empty, or was left by a run that ended before its first step.

    Raises:
        UserError: E030, exit code 2.
    """
    if run.is_dir() and (not any(run.iterdir()) or has_no_steps(run)):
        return
    if run.exists() or run.is_symlink():
        what, fix = _occupied(run)
        raise UserError([Problem("E030", f"run {shown(str(run))}", what, fix)])


def _occupied(run: Path) -> tuple[str, str]:
    """What a directory contains that a new run would overwrite, and what to do."""
    fix = f"give another one: run={free_name(run)}"
    begun = (run / CONFIG).is_file() and (run / METRICS).is_file()
    if not begun or (run / "stages").exists():
        return "exists and is not an empty directory", fix
    if (run / MODEL / "config.json").is_file():
        return "contains a finished run", fix
    what = f"contains a run that ended at step {last_step(run):,} and cannot be resumed"
    if (saved := latest_policy(run)) is not None:
        fix = f"its policy is in {saved}; train it further with {new_run(run)}"
    return what, fix


def latest_policy(run: Path) -> Path | None:
    """The latest policy that an unfinished run of sft or rl has saved; None if there is none.

    Args:
        run: The run directory.
    """
    saved = [run / STOPPED / MODEL, *sorted(run.glob("checkpoint-*"), key=_step, reverse=True)]
    return next((one for one in saved if any(one.glob("model*.safetensors"))), None)


def new_run(run: Path) -> str:
    """The command that repeats a run of sft or rl in a new directory.

    It starts from the `latest_policy`, if there is one. The configuration in the run directory
    holds the arguments of the earlier command.

    Args:
        run: The directory of the earlier run, with its ``config.yaml``.
    """
    file = run / CONFIG
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    words = ["rewardlab", "rl" if _has_section(text, "rewards") else "sft", str(file)]
    if (saved := latest_policy(run)) is not None:
        scratch = _has_section(text, "  from_scratch")
        words.append(f"policy={{path: {saved}}}" if scratch else f"policy.path={saved}")
    return shlex.join([*words, f"run={free_name(run)}"])


def next_run(run: Path) -> tuple[str, str]:
    """What can be done after an sft or rl run with steps that did not finish, and the command.

    Args:
        run: The directory of the run.
    """
    return "train further" if latest_policy(run) else "repeat it", new_run(run)


def _has_section(config: str, key: str) -> bool:
    """Whether a configuration that a command wrote has a value for a key, in block style."""
    return re.search(rf"^{key}:(?! null$)", config, re.MULTILINE) is not None


def free_name(run: Path) -> str:
    """The first of ``RUN-2``, ``RUN-3`` and so on that does not exist."""
    return next(name for number in count(2) if not Path(name := f"{run}-{number}").exists())


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


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
    option, what, fix = problem.where.rpartition(".")[2], problem.what, problem.fix
    if option in entry.options:
        close = nearest(option, type(entry).model_fields.keys() - {"reward"})
        fix = f"{close}: {entry.options[option]}" if close is not None else fix
    own = "." in problem.where and option in type(entry).model_fields
    if option in entry.options or own:
        keys = (*keys, option)
    elif problem.where.endswith(f"{entry.reward}.{option}"):
        what = f"{entry.reward}.{option} {what}"  # the file has no such key to point at
        fix = f"{fix}, as in {{reward: {entry.reward}, {fix}}}"
    return dataclasses.replace(problem, where=document.where(keys), what=what, fix=fix)


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
