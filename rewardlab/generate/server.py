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
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from rewardlab.errors import EXIT_REWARD, Problem, UserError, shown
from rewardlab.generate import Generated, Prompt, Sampling, Unanswered
from rewardlab.generate.answers import GarbageError, generated, is_named, parse
from rewardlab.seeds import seed_for

if TYPE_CHECKING:
    from ssl import SSLContext

    from openai import APIStatusError, AsyncOpenAI

KEY = "OPENAI_API_KEY"
LONGEST_REASON = 300
NOT_THIS_PROMPT = frozenset({400, 413, 414, 422, 431})
"""Refusals of one prompt, for example because it is too long; other refusals concern them all."""
T = TypeVar("T")


class _NoAnswerError(Exception):
    """There was none within the attempts and the time, and why."""


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
        total: Seconds that all requests for one text may take that a judge `ask`s for.
        breaker: After so many texts in a row that got no answer, `ask` asks for no more.
    """

    url: str
    model: str
    concurrency: int = 64
    deadline: float = 60.0
    attempts: int = 5
    wait: float = 0.5
    total: float = 120.0
    breaker: int = 8

    @property
    def signature(self) -> str:
        """Address and name; what runs behind them is not ours to know."""
        return f"server|{self.url}|{self.model}"

    @property
    def call_size(self) -> int:
        """Several rounds of requests, so that few wait for the slowest."""
        return 8 * self.concurrency

    @property
    def enforces_schema(self) -> bool:
        """Every request asks for it; whether a server heeds that is its own affair."""
        return True

    def ready(self) -> None:
        """Ask the server for its models, so that a wrong address or key is known at once.

        Raises:
            UserError: E086 a library is missing (exit code 2); E087 the server refuses us, E088
                it cannot be reached (4).
        """
        _ = self._reached

    @cached_property
    def _reached(self) -> bool:
        from openai import APIStatusError, NotFoundError

        async def ask() -> None:
            async with self._client() as client:
                await self._insist(client.models.with_raw_response.list)

        try:
            _run(ask())
        except NotFoundError:
            return False  # some servers keep no list; whether the address is right shows later
        except APIStatusError as error:
            self._refused(error)
        except _NoAnswerError as error:
            self._unavailable(error)
        return True

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Continue every prompt; see `rewardlab.generate.Generator`.

        Raises:
            UserError: E086 beam search, which the protocol does not have (exit code 2); E087 the
                server refuses a request, E088 it is down or sends no answers (4).
        """
        _check(sampling)
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
        from openai import APIStatusError

        send = self._request(client, prompt, sampling, seed=seed)

        async def ask() -> Generated:
            answer = parse(await send())
            if answer.usage is None or answer.usage.completion_tokens is None:
                raise GarbageError("it sends a text and does not count its tokens")
            return generated(answer)

        try:
            return await self._insist(ask)
        except APIStatusError as error:
            self._refused(error)
        except _NoAnswerError as error:
            self._unavailable(error)

    def ask(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[Generated | Unanswered]:
        """One text for every prompt, or why there is none; see `rewardlab.generate.Generator`.

        Raises:
            UserError: E086 beam search, or a library is missing (exit code 2); E087 the server
                refuses us, or `breaker` prompts and more were asked and it refuses each (4).
        """
        _check(sampling)
        answers = _run(self._answers(prompts, sampling, seeds, schema))
        refused = [one for one in answers if isinstance(one, Unanswered) and one.fault == "text"]
        if len(refused) == len(answers) >= self.breaker:
            what = f"of {len(answers)} prompts none is taken: {refused[-1].reason}"
            fix = "see what the server says; it may not know an option, or take less text"
            raise UserError([Problem("E087", f"server {self.url}", what, fix)], EXIT_REWARD)
        return answers

    async def _answers(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None,
    ) -> list[Generated | Unanswered]:
        """Answers as they come, until there is one for each or `breaker` in a row have none."""
        slots = asyncio.Semaphore(self.concurrency)
        answers: list[Generated | Unanswered | None] = [None] * len(prompts)
        async with self._client() as client:

            async def one(row: int, prompt: Prompt, seed: int) -> Unanswered | None:
                async with slots:
                    answer = await self._answer(client, prompt, sampling, seed=seed, schema=schema)
                answers[row] = answer
                if isinstance(answer, Unanswered) and answer.fault == "service":
                    return answer
                return None

            tasks = [
                asyncio.create_task(one(row, prompt, seed_for(seed, 0)))
                for row, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
            ]
            try:
                rest = await self._breaks(tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return [answer or rest for answer in answers]

    async def _breaks(self, tasks: Sequence[asyncio.Task[Unanswered | None]]) -> Unanswered:
        """Wait until all are done, or so many in a row had no answer; what to say of the others."""
        in_a_row, reason = 0, "not asked"
        for finished in asyncio.as_completed(tasks):
            failed = await finished
            in_a_row = 0 if failed is None else in_a_row + 1
            if failed is not None and in_a_row >= self.breaker:
                reason = f"not waited for: {in_a_row} in a row had no answer: {failed.reason}"
                break
        return Unanswered(reason)

    async def _answer(
        self,
        client: AsyncOpenAI,
        prompt: Prompt,
        sampling: Sampling,
        *,
        seed: int,
        schema: Mapping[str, Any] | None,
    ) -> Generated | Unanswered:
        from openai import APIStatusError

        send = self._request(client, prompt, sampling, seed=seed, schema=schema)

        async def ask() -> Generated:
            answer = parse(await send())
            if answer.model and not is_named(answer.model, self.model):
                other = shown(answer.model)
                raise GarbageError(f"{other} answers in place of {shown(self.model)}")
            return generated(answer)

        try:
            return await self._insist(ask, total=self.total)
        except _NoAnswerError as error:
            return Unanswered(_discreet(str(error)))
        except APIStatusError as error:
            if error.status_code not in NOT_THIS_PROMPT:
                self._refused(error)
            return Unanswered(_discreet(f"refused: {_status(error)}"), "text")
        except UnicodeEncodeError:
            return Unanswered("the prompt holds half a surrogate pair and cannot be sent", "text")

    def _request(
        self,
        client: AsyncOpenAI,
        prompt: Prompt,
        sampling: Sampling,
        *,
        seed: int,
        schema: Mapping[str, Any] | None = None,
    ) -> Callable[[], Awaitable[bytes]]:
        """What sends one request and waits for the body of its answer.

        The client's typed methods walk over every part of a request, which for a judge's prompt
        takes longer than all the rest; its plain ``post`` sends what it is given.
        """
        from httpx2 import Response

        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if sampling.temperature > 0.0:
            body["seed"] = seed % 2**31  # not every server takes 64 bits
        if isinstance(prompt, str):
            path, body["prompt"] = "/completions", prompt
            if schema is not None:
                body["structured_outputs"] = {"json": schema}  # vLLM's; the protocol has none here
        else:
            path, body["messages"] = "/chat/completions", prompt
            if schema is not None:
                answer = {"name": "answer", "schema": schema, "strict": True}
                body["response_format"] = {"type": "json_schema", "json_schema": answer}

        async def send() -> bytes:
            return (await client.post(path, body=body, cast_to=Response)).content

        return send

    async def _insist(self, ask: Callable[[], Awaitable[T]], *, total: float | None = None) -> T:
        """Ask until there is an answer, within the attempts and ``total`` seconds.

        Raises:
            APIStatusError: It refuses, and would again.
            _NoAnswerError: There was none, and why.
        """
        import openai
        import stamina

        whole = asyncio.timeout(total)
        try:
            async with whole:
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
        except openai.APIStatusError as error:
            if _may_pass(error) is False:
                raise
            raise self._no_answer(f"it answers with {_status(error)}") from None
        except (TimeoutError, openai.APITimeoutError):
            if whole.expired():
                raise _NoAnswerError(f"gave no text within {total:g} seconds") from None
            raise self._no_answer(f"no whole answer within {self.deadline:g} seconds") from None
        except GarbageError as error:
            raise self._no_answer(str(error)) from None
        except openai.APIConnectionError as error:
            raise self._no_answer(f"it cannot be reached: {error.__cause__ or error}") from None
        raise AssertionError("stamina raises where it gives up")

    def _no_answer(self, why: str) -> _NoAnswerError:
        return _NoAnswerError(f"gave no text in {self.attempts} attempts, the last because {why}")

    def _refused(self, error: APIStatusError) -> NoReturn:
        import openai

        fix = "see what the server says"
        if isinstance(error, openai.NotFoundError):
            fix = "check the server's url (most end in /v1) and the model's name there"
        elif isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            fix = f"put a key that the server takes into the environment variable {KEY}"
        what = f"the server refuses model {shown(self.model)}: {_status(error)}"
        problem = Problem("E087", f"server {self.url}", _discreet(what), fix)
        raise UserError([problem], EXIT_REWARD) from None

    def _unavailable(self, error: _NoAnswerError) -> NoReturn:
        fix = "see that the server is up, then run this again; it goes on where it was"
        problem = Problem("E088", f"server {self.url}", _discreet(str(error)), fix)
        raise UserError([problem], EXIT_REWARD) from None

    def _client(self) -> AsyncOpenAI:
        try:
            import stamina
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient
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
            http_client=DefaultAsyncHttpxClient(verify=_certificates()),
        )


@cache
def _certificates() -> SSLContext:
    """Whom to trust; reading them takes longer than a request, so it is done once."""
    from httpx2 import create_ssl_context

    return create_ssl_context()


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


def _check(sampling: Sampling) -> None:
    if sampling.beams > 1:
        what = f"beams: {sampling.beams}: OpenAI's protocol has no beam search"
        raise UserError([Problem("E086", "generation.beams", what, "beams: 1")])


def _may_pass(error: Exception) -> bool | float:
    """Whether to ask again; or, where the server says so, in how many seconds (at most 30)."""
    import openai

    if isinstance(error, openai.APIStatusError):
        wait = error.response.headers.get("retry-after", "")
        again = error.status_code in {408, 409, 429} or error.status_code >= 500  # noqa: PLR2004
        return min(float(wait), 30.0) if again and wait.isdecimal() else again
    return isinstance(error, (TimeoutError, openai.APIConnectionError, GarbageError))


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
