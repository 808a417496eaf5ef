"""Arguments of a trainer that cannot work, all told before TRL reads any of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rewardlab.advantages import advantage_problems
from rewardlab.errors import Problem, UserError, kind_of, nearest, shown
from rewardlab.store.checkpoints import checkpoint_in

OURS = ("model", "ensemble", "advantage", "args", "train_dataset")
"""Arguments that our trainers name; all others are TRL's."""
EARLIER = {"tokenizer": "processing_class", "config": "args", "rewards": "ensemble"}
"""Other names of arguments: earlier ones of transformers, or such of the same meaning."""


def check_arguments(
    trainer: type[Any],
    parent: type[Any],
    *,
    model: object,
    advantage: object,
    args: object,
    trl_options: Mapping[str, object],
) -> None:
    """Refuse arguments of a trainer that cannot work.

    Args:
        trainer: Our trainer, with ``config_class`` and ``refused_options``.
        parent: TRL's trainer, which gets the other arguments.
        model: What was given as the model.
        advantage: What was given as the advantage.
        args: What was given as TRL's configuration, or None.
        trl_options: Other arguments.

    Raises:
        UserError: E023 an unknown argument; E025, E026 a value cannot be used; E034 an option is
            refused; E080 the model is a directory that does not exist.
    """
    problems = [*advantage_problems(advantage), *_unknown(parent, trl_options)]
    problems += _missing_models(model)
    if model is None:
        fix = "model='DIRECTORY', or a model of transformers"
        problems.append(Problem("E025", "model", "nothing is not a model", fix))
    wanted = trainer.config_class
    if args is not None and not isinstance(args, wanted):
        made = "**args" if isinstance(args, Mapping) else "output_dir=..., num_generations=8"
        fix = f"args={wanted.__name__}({made}), with {wanted.__name__} from trl"
        kind = kind_of(args) if isinstance(args, (str, Mapping)) else type(args).__name__
        problems.append(Problem("E025", "args", f"{kind} is not a {wanted.__name__}", fix))
    elif args is not None:
        problems += [_refused(reason) for reason in trainer.refused_options(args)]
    if problems:
        raise UserError(problems)


def found_model(model: object) -> object:
    """A model as TRL takes it: ``model/`` of a run directory; anything else is returned as it is.

    Args:
        model: What the user gave: a model, a local directory, or ``owner/name`` on the hub.
    """
    return str(checkpoint_in(model)) if isinstance(model, (str, Path)) else model


def _missing_models(model: object) -> Iterator[Problem]:
    """E080: a directory that does not exist. Only ``owner/name`` may be a name on the hub."""
    if not isinstance(model, (str, Path)) or Path(model).is_dir() or _may_be_on_hub(model):
        return
    fix = "the directory of a checkpoint or run, or a name on the hub in the form 'owner/name'"
    yield Problem("E080", "model", f"the directory {shown(str(model))} does not exist", fix)


def _may_be_on_hub(model: str | Path) -> bool:
    """Whether a text has the form ``owner/name``, and ``owner`` is no local directory."""
    owner, slash, name = str(model).partition("/")
    is_name = bool(owner and slash and name) and "/" not in name and owner[0] not in ".~"
    return isinstance(model, str) and is_name and not Path(owner).exists()


def _refused(reason: str) -> Problem:
    option = reason.split(maxsplit=1)[0].rstrip(":")
    return Problem("E034", f"args.{option}", reason, f"remove {option}")


def _unknown(parent: type[Any], given: Mapping[str, object]) -> Iterator[Problem]:
    known = [*OURS, *list(inspect.signature(parent.__init__).parameters)[1:]]
    known = [name for name in dict.fromkeys(known) if name != "reward_funcs"]
    for name in given:
        if name == "reward_funcs":
            what, fix = "the ensemble holds the rewards", "ensemble=RewardEnsemble([Term(reward)])"
            yield Problem("E034", name, what, fix)
        elif name not in known:
            meant = EARLIER.get(name) or nearest(name, known)
            fix = f"{meant}=..." if meant else f"one of {', '.join(known)}"
            yield Problem("E023", name, "the trainer has no such argument", fix)
