"""Texts from a server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, a hosted model.

Plain prompts go to ``/completions``, chats to ``/chat/completions``, where the server applies the
model's template. Every text is a request of its own: not every server can give several, each has a
seed, and each is counted. A server that shares prefixes between requests computes a prompt once.

What a server does with seed, temperature and batches is its own affair; that a run which is
continued gives what an uninterrupted one would have given holds as far as the server gives the
same answer twice. Options that a request leaves out are the server's: start vLLM with
``--generation-config vllm``, or it fills them in from the checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from rewardlab.errors import EXIT_REWARD, Problem, UserError, shown
from rewardlab.generate import Generated, Prompt, Sampling, seed_for

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

KEY = "OPENAI_API_KEY"
LONGEST_REASON = 300
T = TypeVar("T")


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None


class _Usage(BaseModel):
    completion_tokens: int = Field(ge=0)


class _Answer(BaseModel):
    """What of an answer is read; a server may send more."""

    choices: list[_Choice] = Field(min_length=1, max_length=1)
    usage: _Usage


class _GarbageError(Exception):
    """The server answered with success, and what it sent is no answer."""


@dataclass(frozen=True)
class ServerGenerator:
    """A model behind an OpenAI-compatible server.

    The key is read from the environment variable ``OPENAI_API_KEY`` and stands nowhere else.

    Attributes:
        url: Where the protocol begins, usually ending in ``/v1``.
        model: The name the server knows the model by.
        concurrency: Requests under way at once.
        deadline: Seconds that one request may take in all.
        attempts: Requests for one text, at most.
        wait: Seconds before the second attempt; doubled for each one after, with jitter.
    """

    url: str
    model: str
    concurrency: int = 64
    deadline: float = 60.0
    attempts: int = 5
    wait: float = 0.5

    @property
    def signature(self) -> str:
        """Address and name; what runs behind them is not ours to know."""
        return f"server|{self.url}|{self.model}"

    @property
    def call_size(self) -> int:
        """Several rounds of requests, so that few wait for the slowest."""
        return 8 * self.concurrency

    def ready(self) -> None:
        """Ask the server for its models, so that a wrong address or key is known at once.

        Raises:
            UserError: E086 a library is missing (exit code 2); E087 the server refuses us, E088
                it cannot be reached (4).
        """
        _ = self._reached

    @cached_property
    def _reached(self) -> bool:
        from openai import NotFoundError

        async def ask() -> None:
            async with self._client() as client:
                await self._insist(client.models.with_raw_response.list)

        try:
            _run(ask())
        except NotFoundError:
            return False  # some servers keep no list; whether the address is right shows later
        return True

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Continue every prompt; see `rewardlab.generate.Generator`.

        Raises:
            UserError: E086 beam search, which the protocol does not have (exit code 2); E087 the
                server refuses a request, E088 it is down or sends no answers (4).
        """
        if sampling.beams > 1:
            what = f"beams: {sampling.beams}: OpenAI's protocol has no beam search"
            raise UserError([Problem("E086", "generation.beams", what, "beams: 1")])
        return _run(self._all(prompts, sampling, seeds))

    async def _all(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        slots = asyncio.Semaphore(self.concurrency)
        async with self._client() as client:

            async def one(prompt: Prompt, seed: int) -> Generated:
                async with slots:
                    return await self._text(client, prompt, sampling, seed=seed)

            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        [group.create_task(one(p, seed_for(s, n))) for n in range(sampling.samples)]
                        for p, s in zip(prompts, seeds, strict=True)
                    ]
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None  # the first; the other requests are cancelled
            return [[task.result() for task in texts] for texts in tasks]

    async def _text(
        self, client: AsyncOpenAI, prompt: Prompt, sampling: Sampling, *, seed: int
    ) -> Generated:
        options: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "extra_body": {"top_k": sampling.top_k} if sampling.top_k else None,
        }
        if sampling.temperature > 0.0:
            options["seed"] = seed % 2**31  # not every server takes 64 bits
        create: Any = client.completions.with_raw_response.create
        if isinstance(prompt, str):
            options["prompt"] = prompt
        else:
            create, options["messages"] = client.chat.completions.with_raw_response.create, prompt

        async def ask() -> Generated:
            return _read((await create(**options)).content)

        from openai import NotFoundError

        try:
            return await self._insist(ask)
        except NotFoundError as error:
            fix = "check generation.url (most end in /v1) and generation.server_model"
            self._refused(error, fix)

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, within the attempts; what cannot change ends it at once."""
        import openai
        import stamina

        try:
            async for attempt in stamina.retry_context(
                on=_may_pass,
                attempts=self.attempts,
                timeout=None,
                wait_initial=self.wait,
                wait_max=max(20.0, self.wait),
                wait_jitter=self.wait,
            ):
                with attempt:
                    async with asyncio.timeout(self.deadline):
                        return await ask()
        except openai.NotFoundError:
            raise
        except openai.APIStatusError as error:
            if _may_pass(error) is not False:
                self._unavailable(f"it answers with {_status(error)}")
            keys = (openai.AuthenticationError, openai.PermissionDeniedError)
            fix = f"put a key that the server takes into the environment variable {KEY}"
            self._refused(error, fix if isinstance(error, keys) else "see what the server says")
        except (TimeoutError, openai.APITimeoutError):
            self._unavailable(f"no whole answer within {self.deadline:g} seconds")
        except _GarbageError as error:
            self._unavailable(str(error))
        except openai.APIConnectionError as error:
            self._unavailable(f"it cannot be reached: {error.__cause__ or error}")
        raise AssertionError("stamina raises where it gives up")

    def _refused(self, error: APIStatusError, fix: str) -> NoReturn:
        what = f"the server refuses model {shown(self.model)}: {_status(error)}"
        problem = Problem("E087", f"server {self.url}", _discreet(what), fix)
        raise UserError([problem], EXIT_REWARD) from None

    def _unavailable(self, why: str) -> NoReturn:
        what = f"gave no text in {self.attempts} attempts, the last because {why}"
        fix = "see that the server is up, then run this again; it goes on where it was"
        problem = Problem("E088", f"server {self.url}", _discreet(what), fix)
        raise UserError([problem], EXIT_REWARD) from None

    def _client(self) -> AsyncOpenAI:
        try:
            import stamina
            from openai import AsyncOpenAI
        except ImportError as error:
            what = f"backend: server needs {error.name}, which is not installed"
            fix = "pip install 'rewardlab[server]'"
            raise UserError([Problem("E086", "generation.backend", what, fix)]) from None
        del stamina
        # It reports every retry as a warning; what comes of them is reported here.
        logging.getLogger("stamina").addHandler(logging.NullHandler())
        return AsyncOpenAI(
            base_url=self.url,
            api_key=os.environ.get(KEY) or "none",
            max_retries=0,  # stamina retries; the two would multiply
            timeout=self.deadline,
        )


def url_problem(url: str) -> Problem | None:
    """E086: no address of a server, or one with a password in it."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        what = "the address holds a user name or password, which the run directory would record"
        return Problem("E086", "url", what, f"put a key into the environment variable {KEY}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        fix = "for example http://localhost:8000/v1"
        return Problem("E086", "url", f"{shown(url)} is no address of a server", fix)
    return None


def _may_pass(error: Exception) -> bool | float:
    """Whether to ask again; or, where the server says so, in how many seconds (at most 30)."""
    import openai

    if isinstance(error, openai.APIStatusError):
        wait = error.response.headers.get("retry-after", "")
        again = error.status_code in {408, 409, 429} or error.status_code >= 500  # noqa: PLR2004
        return min(float(wait), 30.0) if again and wait.isdecimal() else again
    return isinstance(error, (TimeoutError, openai.APIConnectionError, _GarbageError))


def _read(content: bytes) -> Generated:
    """The text of an answer.

    Raises:
        _GarbageError: It is no JSON, has no or several choices, or does not count its tokens.
    """
    try:
        answer = _Answer.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise _GarbageError(
            f"it sends what is no answer ({place}: {first['msg']}): "
            f"{shown(content[:200].decode('utf-8', 'replace'))}"
        ) from None
    choice = answer.choices[0]
    text = choice.text if choice.message is None else choice.message.content
    return Generated(text or "", answer.usage.completion_tokens, choice.finish_reason == "stop")


def _status(error: APIStatusError) -> str:
    said = " ".join(error.message.split())
    return f"{error.status_code} {shown(said, LONGEST_REASON)}"


def _discreet(text: str) -> str:
    """Without the key, should the server have sent it back."""
    key = os.environ.get(KEY)
    return text.replace(key, f"[{KEY}]") if key else text


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, also where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
