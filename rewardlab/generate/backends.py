"""Backends by name, for judges: one resident model for all that ask for the same."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from rewardlab.errors import Problem, UserError
from rewardlab.generate import Generator
from rewardlab.store.checkpoints import LOADING, find_checkpoint

Backend = Literal["transformers", "vllm", "server"]


def judge_backend(*, backend: Backend, model: str, url: str, batch_size: int) -> Generator:
    """What a judge asks; with equal arguments the same one, so that judges share a model.

    Nothing is loaded or reached yet.

    Args:
        backend: ``transformers`` or ``vllm`` in this process, or a ``server``.
        model: A checkpoint, or a run directory that holds one; for a server the model's name there.
        url: Where a server's protocol begins, usually ending in ``/v1``; empty for the others.
        batch_size: Texts written at once: rows of a batch, or requests under way.

    Raises:
        UserError: E080 there is no such checkpoint, E086 no address of a server, E330 options that
            do not go together; exit code 2.
    """
    if batch_size < 1:
        what, fix = f"{batch_size} texts at once", "batch_size=16"
        raise UserError([Problem("E330", "batch_size", what, fix)])
    if backend == "server":
        _check_server(url, model)
        return _only_one(backend, model, url, batch_size)
    if url:
        what = f"backend={backend} runs the model itself and reads no url"
        raise UserError([Problem("E330", "url", what, "backend=server, or leave url out")])
    return _only_one(backend, str(find_checkpoint(model).resolve()), "", batch_size)


def _check_server(url: str, model: str) -> None:
    from rewardlab.generate.server import url_problem

    if (problem := url_problem(url)) is not None:
        raise UserError([problem])
    if not model:
        what, fix = "which of the server's models is to answer is not said", "model=NAME"
        raise UserError([Problem("E330", "model", what, fix)])


def _only_one(backend: Backend, model: str, url: str, batch_size: int) -> Generator:
    with LOADING:  # or two threads that ask at once would make two
        return _made(backend, model, url, batch_size)


def new_backend(backend: Backend, model: str, url: str, batch_size: int) -> Generator:
    """A backend of its own, with arguments that have been checked; nothing is loaded yet.

    Args:
        backend: ``transformers``, ``vllm`` or ``server``.
        model: A checkpoint directory; for a server the model's name there.
        url: Where a server's protocol begins; not read by the others.
        batch_size: Prompts of a batch, or requests under way.
    """
    if backend == "server":
        from rewardlab.generate.server import ServerGenerator

        return ServerGenerator(url, model, concurrency=batch_size)
    if backend == "vllm":
        from rewardlab.generate.vllm_engine import VLLMGenerator

        return VLLMGenerator(Path(model), batch_size)
    from rewardlab.generate.local import TransformersGenerator

    return TransformersGenerator(Path(model), batch_size)


_made = cache(new_backend)
