"""Reads any run directory for ``rewardlab show``: what the run is, what became of it, how to go on.

A new command that writes a run directory is a line in `KINDS`.
"""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from rewardlab.config import strict_yaml
from rewardlab.config.checks import next_run
from rewardlab.errors import EXIT_USAGE, Problem, UserError, refuse, shown
from rewardlab.report.run import HEADINGS, VALIDATION, Measure, RunView, heldout_measures
from rewardlab.report.table import Table
from rewardlab.report.trained_reward import tables as trained_tables
from rewardlab.store.lock import run_lock
from rewardlab.store.run_directory import has_no_steps
from rewardlab.store.run_reader import (
    METRICS,
    Sampled,
    State,
    Steps,
    read_sampled,
    read_steps,
    silence,
    state_of,
)

CONFIG, VERSIONS, COST, RESULTS = "config.yaml", "versions.json", "cost.json", "results.json"
WEIGHTS = ("weight", "token_weight", "below")
MOST_DATA = 3
MOST_RUNS = 3
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A command that writes run directories.

    Attributes:
        command: The command; ``trainer`` for a trainer that was used from Python.
        keys: Keys that its configuration has, and no configuration of a later kind.
        results: Files of which the last is written when the run is finished.
        resumes: Whether the same command continues an interrupted run.
        locked: Whether the command holds a lock from its start to its end.
    """

    command: str
    keys: frozenset[str]
    results: tuple[str, ...]
    resumes: bool = False
    locked: bool = True


KINDS = (
    Kind("demo", frozenset({"sft_pairs", "rl_steps"}), ("model",), locked=False),
    Kind("train-reward", frozenset({"scorer", "stages"}), (RESULTS,), resumes=True),
    Kind(
        "evaluate",
        frozenset({"systems", "metrics"}),
        ("evaluation.json",),
        resumes=True,
        locked=False,  # only while it translates
    ),
    Kind("rerank", frozenset({"generation", "samples", "rewards"}), (COST,), resumes=True),
    Kind("translate", frozenset({"generation", "samples"}), (COST,), resumes=True),
    Kind("rl", frozenset({"policy", "rewards", "trainer"}), ("model/training.json",)),
    Kind("sft", frozenset({"policy", "validation", "trainer"}), ("model/training.json",)),
)
TRAINER = Kind("trainer", frozenset(), (), locked=False)


@dataclass(frozen=True)
class Found:
    """What a run directory contains.

    Attributes:
        path: The directory.
        kind: The command that wrote it.
        config: Its configuration; empty if there is none, or none that can be read.
        state: What became of the run.
        steps: Logged steps by name of a stage; a run without stages has one, without a name.
        sampled: Completions of the latest logged step.
        heldout: Measures of held-out rows, or of the rows that decide when training stops.
        headings: Over the names of these measures, over their first and their last values.
        tables: Results of a finished run.
        notes: What could not be read.
    """

    path: Path
    kind: Kind
    config: Config
    state: State
    steps: Mapping[str, Steps]
    sampled: Sampled
    heldout: tuple[Measure, ...]
    headings: tuple[str, str, str]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]

    @property
    def view(self) -> RunView:
        """The run for a person."""
        facts = (("run", str(self.path)), *facts_of(self))
        return RunView(
            facts,
            self.steps,
            self.heldout,
            self.sampled,
            self.tables,
            self.notes,
            go_on=how_to_go_on(self),
            headings=self.headings,
        )


def read_run(path: Path) -> Found:
    """Read a run directory; the run may be finished, running, killed, or without a step.

    Args:
        path: The directory.

    Raises:
        UserError: E345, it is no run directory, or cannot be read; exit code 2.
    """
    path = path if path.name not in ("", "..") else path.resolve()  # for the commands to go on
    try:
        if (kind := kind_of(path)) is None:
            _refuse(path)
        return _read(path, kind)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        refuse(Problem("E345", shown(str(path)), what, "check the path"), exit_code=EXIT_USAGE)


def kind_of(path: Path) -> Kind | None:
    """The kind of run in a directory; None if it is no run directory."""
    logged = (path / METRICS).is_file()
    # A directory with a configuration alone may be the user's own.
    keys = (
        _yaml(path / CONFIG).keys() if logged or (path / VERSIONS).is_file() else frozenset[str]()
    )
    for kind in KINDS:
        if kind.keys <= keys:
            return kind
    return TRAINER if logged else None


def _read(path: Path, kind: Kind) -> Found:
    config = _yaml(path / CONFIG)
    stages = sorted(path.glob(f"stages/*/{METRICS}"))
    steps = {file.parent.name: read_steps(file) for file in stages} or {
        "": read_steps(path / METRICS)
    }
    last = steps.get("", Steps([]))
    locks = [run_lock(path.resolve()), path / "journal.sqlite.lock"]
    state = state_of(
        path,
        results=kind.results,
        steps=last,
        locks=[*locks, *path.glob("journals/*.lock")],
        always_locked=kind.locked,
    )
    if kind is TRAINER and last.rows and "train_runtime" in last.rows[-1]:
        state = "finished"
    sampled = read_sampled(path, last_step=last.last if last.rows else None)
    patient = kind.command == "sft" and config.get("patience") is not None
    notes = list(_notes(steps, sampled))
    results = _json(path / RESULTS, notes) if kind.command == "train-reward" else {}
    tables = tuple(trained_tables(results)) if "figures" in results else ()
    heldout = heldout_measures(last, keeps_best=patient)
    headings = HEADINGS
    if kind.command == "sft":  # its rows decide when training stops
        heldout = tuple(one._replace(name=VALIDATION) for one in heldout if one.name == "loss")
        headings = ("validation rows", "first", "best" if patient else "last")
    if kind.command == "demo" and heldout:
        headings = ("held-out rows", "before", "after")
        notes.append("note: of the held-out measures only chrf is a reward as well")
    if kind.command == "rerank":
        heldout = _chosen(_json(path / COST, notes))
        headings = ("samples", "first", "chosen")
    return Found(path, kind, config, state, steps, sampled, heldout, headings, tables, tuple(notes))


def _notes(steps: Mapping[str, Steps], sampled: Sampled) -> Iterator[str]:
    for name, one in steps.items():
        file = f"stages/{name}/{METRICS}" if name else METRICS
        if one.damaged:
            yield f"note: {one.damaged:,} lines of {file} cannot be read and are left out"
        for step in one.resumed:
            before = f"what {file} says of later steps before that is left out"
            yield f"note: resumed after step {step - 1:,}; {before}"
    if sampled.unreadable:
        yield f"note: damaged and left out: {', '.join(sampled.unreadable[:MOST_RUNS])}"


def _json(path: Path, notes: list[str]) -> Config:
    """A JSON file of the run; empty if there is none, or none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        notes.append(f"note: {path.name} is damaged and left out")
        return {}
    return cast("Config", value) if isinstance(value, dict) else {}


def _chosen(cost: Config) -> tuple[Measure, ...]:
    """Rewards of the first sample and of the chosen one."""
    rewards = cost.get("rewards") or {}
    return tuple(
        Measure(f"rewards/{name}/mean", (1, one["first"]), (1, one["chosen"]))
        for name, one in rewards.items()
        if one["first"] is not None and one["chosen"] is not None
    )


# ── facts ───────────────────────────────────────────────────────────────────────────────────────


def facts_of(found: Found) -> Iterator[tuple[str, str]]:
    """What the run is, what became of it, and where its result lies."""
    command = "a trainer in Python" if found.kind is TRAINER else f"rewardlab {found.kind.command}"
    yield "command", command
    yield "state", state_words(found)
    config = found.config
    if start := started_from(config):
        yield "started from", start
    if data := ", ".join(data_words(config)):
        yield "data", data
    for key in ("rewards", "gates"):
        if named := ", ".join(_term_words(one) for one in _mappings(config.get(key))):
            yield key, named
    if (place := result_place(found)) is not None:
        yield place


def state_words(found: Found) -> str:
    """What became of the run, in a few words."""
    ago = f"last written {_duration(silence(found.path))} ago"
    taken = steps_taken(found)
    how = {
        "finished": "finished",
        "stopped": "stopped by a signal; the policy so far is saved",
        "running": f"running, {ago}",
        "killed": f"killed, {ago}",
        "unfinished": f"ended without a result, or hanging: {ago}",
    }[found.state]
    if found.state == "unfinished" and found.kind.locked:
        how = f"interrupted, or ended by an error; {ago}"
        if found.kind.command in ("rl", "sft") and has_no_steps(found.path):
            return f"stopped before its first step; {ago}"
    return f"{how}; {taken}" if taken else how


def steps_taken(found: Found) -> str:
    """How far training is: ``step 40 of 80``; nothing for a command without steps."""
    if not any(one.rows for one in found.steps.values()):
        trains = found.kind.command in ("rl", "sft", "demo", "trainer", "train-reward")
        return "no step is logged yet" if trains and found.state != "finished" else ""
    name, last = [*found.steps.items()][-1]
    most = most_steps(found)
    step = f"step {last.last:,}" + (f" of {most:,}" if most and not name else "")
    return f"stage {name}, {step}" if name else step


def most_steps(found: Found) -> int | None:
    """The steps that the run is to take; None if only the data tell."""
    trainer = found.config.get("trainer")
    most = trainer.get("max_steps") if isinstance(trainer, dict) else found.config.get("rl_steps")
    return most if isinstance(most, int) and most > 0 else None


def started_from(config: Config) -> str:
    """The checkpoint that the run started from; nothing if it is not known."""
    if isinstance(policy := config.get("policy"), dict):
        return str(policy["path"]) if policy.get("path") is not None else "scratch"
    if isinstance(model := config.get("model"), dict):
        return str(model["path"]) if model.get("path") is not None else "scratch"
    return "" if config.get("model") is None else str(config["model"])


def data_words(config: Config) -> Iterator[str]:
    """The files of texts, each with its languages."""
    data = _mappings(config.get("data"))
    for one in data[:MOST_DATA]:
        files = " → ".join(str(one[key]) for key in ("source", "reference") if one.get(key))
        codes = [str(one[key]) for key in ("source_lang", "target_lang") if one.get(key)]
        yield f"{files} ({'-'.join(codes)})" if codes else files
    if len(data) > MOST_DATA:
        yield f"and {len(data) - MOST_DATA:,} more"


def _mappings(value: object) -> list[Config]:
    items = cast("list[object]", value if isinstance(value, list) else [value])
    return [cast("Config", item) for item in items if isinstance(item, dict)]


def _term_words(term: Config) -> str:
    """A reward or gate with its weights: ``chrf (weight 1)``."""
    name = str(term.get("name") or term.get("reward"))
    known = [
        f"{key.replace('_', ' ')} {term[key]:g}" for key in WEIGHTS if _is_number(term.get(key))
    ]
    return f"{name} ({', '.join(known)})" if known else name


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def result_place(found: Found) -> tuple[str, str] | None:
    """Where the result of the run lies; None if there is none."""
    path, command = found.path, found.kind.command
    if found.state == "stopped":
        return "model", str(path / "stopped" / "model")
    if command in ("translate", "rerank") and found.state == "finished":
        return "translations", str(path / "hypotheses.txt")
    if command == "evaluate" and found.state == "finished":
        return "result", str(path / "evaluation.json")
    if found.state == "finished" and (path / "model").is_dir():
        return "model", str(path / "model")
    return None


def how_to_go_on(found: Found) -> tuple[str, str] | None:
    """What can be done next, and the command or setting for it; None if there is nothing."""
    path, command = shlex.quote(str(found.path)), found.kind.command
    again = f"rewardlab {command} {path}/{CONFIG}"
    if found.state == "running":
        return "look again", f"rewardlab show {path}"
    if found.state == "finished":
        return _how_to_use(found)
    if found.kind.resumes:
        return "resume it", again
    if command in ("rl", "sft"):
        if has_no_steps(found.path):
            return "start it again", again
        return next_run(found.path)
    return None


def _how_to_use(found: Found) -> tuple[str, str] | None:
    path = shlex.quote(str(found.path))
    if found.kind.command in ("rl", "sft"):
        return "use it in translate, rerank and evaluate", f"model={path}"
    if found.kind.command == "train-reward":
        return "score with it", f"--reward {_family(found)}:model={path}"
    return None


def _family(found: Found) -> str:
    scorer = found.config.get("scorer")
    families = (
        [name for name, one in scorer.items() if one is not None]
        if isinstance(scorer, dict)
        else []
    )
    return families[0] if families else "NAME"


def _duration(seconds: float) -> str:
    """A time in its largest unit: ``3 minutes``."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{int(seconds)} s"


# ── no run ──────────────────────────────────────────────────────────────────────────────────────


def _refuse(path: Path) -> NoReturn:
    where = shown(str(path))
    if not path.exists():
        what = "does not exist"
    elif not path.is_dir():
        what = "is a file, and a run is a directory"
    else:
        what = f"is no run directory: it has neither the {CONFIG} of a command nor {METRICS}"
    near = [shlex.quote(str(one)) for one in _runs_near(path)]
    fix = "give the directory that the YAML file names as run:"
    if near:
        fix = f"rewardlab show {near[0]}" + "".join(f", or {one}" for one in near[1:])
    refuse(Problem("E345", where, what, fix), exit_code=EXIT_USAGE)


def _runs_near(path: Path) -> list[Path]:
    """Runs that may be meant: the one a file belongs to or names, those inside, those alike."""
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        run = _yaml(path).get("run")
        if isinstance(run, str) and kind_of(Path(run)) is not None:
            return [Path(run)]
    above = [one for one in path.parents if one.name and kind_of(one) is not None][:1]
    if above or path.is_file():
        return above
    if path.is_dir():
        return _runs_in(path.iterdir())
    if not path.parent.is_dir():
        return []
    names = [one.name for one in path.parent.iterdir() if one.is_dir()]
    alike = difflib.get_close_matches(path.name, names, MOST_RUNS)
    return _runs_in(path.parent / name for name in alike)


def _runs_in(paths: Iterable[Path]) -> list[Path]:
    return [one for one in sorted(paths) if one.is_dir() and kind_of(one) is not None][:MOST_RUNS]


def _yaml(path: Path) -> Config:
    """A YAML file; empty if there is none, or none that can be read."""
    try:
        value = strict_yaml.read(path).value
    except UserError:
        return {}
    return cast("Config", value) if isinstance(value, dict) else {}
