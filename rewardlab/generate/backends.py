"""Backends of judges by name; judges with the same model and options share one loaded model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rewardlab.errors import Problem, UserError
from rewardlab.generate import Generator
from rewardlab.store.checkpoints import find_checkpoint, loaded_once

Backend = Literal["transformers", "vllm", "server"]
"""Backends of language models, which can be judges; Apertium only translates."""


def judge_backend(*, backend: Backend, model: str, url: str, batch_size: int) -> Generator:
    """The generator that a judge uses, the same object for equal arguments; nothing is loaded yet.

    Args:
        backend: ``transformers`` or ``vllm`` in this process, or a ``server``.
        model: A checkpoint or a run directory; for a server, its name for the model.
        url: Base address of a server's protocol, usually ending in ``/v1``; empty for the others.
        batch_size: Texts generated at once: rows of a batch, or requests.

    Raises:
        UserError: E080 there is no such checkpoint, E086 the URL is not an address, E330 options
            contradict each other; exit code 2.
    """
    if batch_size < 1:
        what, fix = f"{batch_size} texts at once", "batch_size=16"
        raise UserError([Problem("E330", "batch_size", what, fix)])
    if backend == "server":
        _check_server(url, model)
        return _made(backend, model, url, batch_size)
    if url:
        what = f"backend={backend} runs the model itself and reads no url"
        raise UserError([Problem("E330", "url", what, "backend=server, or leave url out")])
    return _made(backend, str(find_checkpoint(model).resolve()), "", batch_size)


def _check_server(url: str, model: str) -> None:
    from rewardlab.generate.server import url_problem

    if (problem := url_problem(url)) is not None:
        raise UserError([problem])
    if not model:
        what, fix = "a server needs the name of the model that answers", "model=NAME"
        raise UserError([Problem("E330", "model", what, fix)])


def new_backend(backend: Backend, model: str, url: str, batch_size: int) -> Generator:
    """A backend with arguments that have been checked; nothing is loaded yet.

    Args:
        backend: ``transformers``, ``vllm`` or ``server``.
        model: A checkpoint directory; for a server, its name for the model.
        url: Base address of a server's protocol; not read by the others.
        batch_size: Texts generated at once: rows of a batch, or requests.
    """
    if backend == "server":
        from rewardlab.generate.server import ServerGenerator

        return ServerGenerator(url, model, concurrency=batch_size)
    if backend == "vllm":
        from rewardlab.generate.vllm_engine import VLLMGenerator

        return VLLMGenerator(Path(model), batch_size)
    from rewardlab.generate.local import TransformersGenerator

    return TransformersGenerator(Path(model), batch_size)


_made = loaded_once()(new_backend)
