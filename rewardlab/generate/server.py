"""Texts from a server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, a hosted model.

Plain prompts go to ``/completions``, chats to ``/chat/completions``, where the server applies the
model's template. Every text is a separate request, because not every server supports several texts
per request, and because each text has its own seed and token counts. A server with prefix caching
computes a prompt only once.

How a server treats seed, temperature and batches is up to the server. A resumed run gives the same
texts as an uninterrupted run only if the server gives the same answer twice. Options that a request
leaves out are up to the server as well: start vLLM with ``--generation-config vllm``, or it takes
them from the checkpoint.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from rewardlab.errors import EXIT_REWARD, Problem, UserError, shown
from rewardlab.generate import Generated, Prompt, Sampling, Unanswered, refuse_beams
from rewardlab.generate.answers import Answer, generated, is_named
from rewardlab.generate.services import (
    Breaker,
    PassingError,
    address_problem,
    attempts,
    parsed,
    redacted,
    require,
    retry_after,
)
from rewardlab.seeds import seed_for

if TYPE_CHECKING:
    from ssl import SSLContext

    from openai import APIStatusError, AsyncOpenAI

KEY = "OPENAI_API_KEY"
"""Environment variable with the key."""
LONGEST_REASON = 300
LONGEST_WAIT = 30.0
"""Maximum waiting time between two attempts that a server can request, in seconds."""
NOT_THIS_PROMPT = frozenset({400, 413, 414, 422, 431})
"""HTTP statuses that refuse one prompt, for example for its length; others concern all prompts."""
T = TypeVar("T")


class _NoAnswerError(Exception):
    """There was no answer within the allowed attempts and time."""


@dataclass(frozen=True)
class ServerGenerator:
    """A model behind an OpenAI-compatible server.

    The key is read from the environment variable ``OPENAI_API_KEY`` and stored nowhere else.

    Attributes:
        url: Base address of the protocol, usually ending in ``/v1``.
        model: The server's name for the model.
        concurrency: Maximum number of simultaneous requests.
        deadline: Maximum seconds for one request.
        attempts: Maximum number of requests for one text.
        wait: Seconds before the second attempt; doubled for each later attempt, with jitter.
        total: Maximum seconds for all requests for one text of `ask`.
        breaker: After this many texts in a row without an answer, `ask` sends no more requests.
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
        """Address and model name; the model that runs there cannot be verified."""
        return f"server|{self.url}|{self.model}"

    @property
    def call_size(self) -> int:
        """Several rounds of requests, so that little time is spent waiting for the slowest."""
        return 8 * self.concurrency

    def ready(self) -> None:
        """Ask the server for its models, to detect a wrong address or key before any prompt.

        Raises:
            UserError: E086 a library is missing (exit code 2); E087 the server refuses access, E088
                it cannot be reached (4).
        """
        _ = self._reached

    @cached_property
    def _reached(self) -> bool:
        _require_libraries()
        from openai import APIStatusError, NotFoundError

        async def ask() -> None:
            async with self._client() as client:
                await self._insist(client.models.with_raw_response.list)

        try:
            _run(ask())
        except NotFoundError:
            return False  # some servers have no list; a wrong address shows with the first prompt
        except (APIStatusError, _NoAnswerError) as error:
            self._end(error)
        return True

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Continue every prompt; see `rewardlab.generate.Generator`.

        Raises:
            UserError: E086 beam search, which the protocol does not support (exit code 2); E087
                the server refuses a request, E088 it is down or sends no answers (4).
        """
        refuse_beams(sampling)
        return _run(self._all(prompts, sampling, seeds))

    async def _all(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        slots = asyncio.Semaphore(self.concurrency)
        async with self._client() as client:

            async def one(prompt: Prompt, seed: int) -> Generated:
                async with slots:
                    return await self._text(client, prompt, sampling, seed=seed)

            each = range(sampling.samples)
            asked = list(zip(prompts, seeds, strict=True))
            texts = await _together(one(p, seed_for(seed, n)) for p, seed in asked for n in each)
        starts = range(0, len(texts), len(each))
        return [texts[start : start + len(each)] for start in starts]

    async def _text(
        self, client: AsyncOpenAI, prompt: Prompt, sampling: Sampling, *, seed: int
    ) -> Generated:
        from openai import APIStatusError

        def check(answer: Answer) -> None:
            if answer.usage is None or answer.usage.completion_tokens is None:
                raise PassingError("it sends a text and does not count its tokens")

        path, body = self._request(prompt, sampling, seed=seed)
        try:
            return await self._insist(lambda: _post(client, path, body, check))
        except (APIStatusError, _NoAnswerError) as error:
            self._end(error)

    def ask(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[Generated | Unanswered]:
        """One text for every prompt, or why there is none; see `rewardlab.generate.Generator`.

        Every request includes the schema; whether it is followed is up to the server.

        Raises:
            UserError: E086 beam search, or a library is missing (exit code 2); E087 the server
                refuses access, or refuses all of at least `breaker` prompts (4).
        """
        refuse_beams(sampling)
        answers = _run(self._answers(prompts, sampling, seeds, schema))
        refused = [one for one in answers if isinstance(one, Unanswered) and one.fault == "text"]
        if len(refused) == len(answers) >= self.breaker:
            what = f"it refuses all of {len(answers)} prompts: {refused[-1].reason}"
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
        """Answers as they arrive, until all have arrived or `breaker` texts in a row failed."""
        slots, breaker = asyncio.Semaphore(self.concurrency), Breaker(self.breaker)
        answers: list[Generated | Unanswered | None] = [None] * len(prompts)
        rest = Unanswered("not asked")
        async with self._client() as client:

            async def one(row: int, prompt: Prompt, seed: int) -> None:
                async with slots:
                    answer = await self._answer(client, prompt, sampling, seed=seed, schema=schema)
                answers[row] = answer
                if not isinstance(answer, Unanswered) or answer.fault == "text":
                    breaker.record(failed=False)
                    return
                breaker.record(failed=True)
                if breaker.is_open:
                    why = f"{breaker.failures} in a row had no answer: {answer.reason}"
                    raise _NoAnswerError(f"not waited for: {why}")

            asked = list(zip(prompts, seeds, strict=True))
            try:
                await _together(
                    one(row, prompt, seed_for(seed, 0)) for row, (prompt, seed) in enumerate(asked)
                )
            except _NoAnswerError as error:
                rest = Unanswered(str(error))
        return [answer or rest for answer in answers]

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

        def check(answer: Answer) -> None:
            if answer.model and not is_named(answer.model, self.model):
                other = shown(answer.model)
                raise PassingError(f"{other} answers in place of {shown(self.model)}")

        path, body = self._request(prompt, sampling, seed=seed, schema=schema)
        try:
            return await self._insist(lambda: _post(client, path, body, check), total=self.total)
        except _NoAnswerError as error:
            return Unanswered(redacted(str(error), KEY))
        except APIStatusError as error:
            if error.status_code not in NOT_THIS_PROMPT:
                self._end(error)
            return Unanswered(redacted(f"refused: {_status(error)}", KEY), "text")
        except UnicodeEncodeError:
            return Unanswered("the prompt holds half a surrogate pair and cannot be sent", "text")

    def _request(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        seed: int,
        schema: Mapping[str, Any] | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """The path and the body of one request."""
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
        return path, body

    async def _insist(self, ask: Callable[[], Awaitable[T]], *, total: float | None = None) -> T:
        """Ask until there is an answer, or attempts or ``total`` seconds run out.

        Raises:
            APIStatusError: The server refuses, and would refuse again.
            _NoAnswerError: There was no answer.
        """
        import openai

        limit = asyncio.timeout(total)
        try:
            async with limit:
                longest = max(20.0, self.wait)
                async for attempt in attempts(
                    _may_pass, most=self.attempts, wait=self.wait, longest=longest
                ):
                    with attempt:
                        async with asyncio.timeout(self.deadline):
                            return await ask()
        except openai.APIStatusError as error:
            if _may_pass(error) is False:
                raise
            reason = f"it answers with {_status(error)}"
        except (TimeoutError, openai.APITimeoutError):
            if limit.expired():
                raise _NoAnswerError(f"gave no text within {total:g} seconds") from None
            reason = f"no complete answer within {self.deadline:g} seconds"
        except PassingError as error:
            reason = str(error)
        except openai.APIConnectionError as error:
            reason = f"it cannot be reached: {error.__cause__ or error}"
        else:
            raise AssertionError("stamina raises after the last attempt")
        raise _NoAnswerError(f"gave no text in {self.attempts} attempts, the last because {reason}")

    def _end(self, error: APIStatusError | _NoAnswerError) -> NoReturn:
        """End the run: E087 the server refuses access, E088 it is down or sends no answers."""
        import openai

        if isinstance(error, _NoAnswerError):
            code, what = "E088", str(error)
            fix = "see that the server is up, then run this again; it resumes"
        else:
            code, what = "E087", f"the server refuses model {shown(self.model)}: {_status(error)}"
            fix = "see what the server says"
            if isinstance(error, openai.NotFoundError):
                fix = "check the server's url (most end in /v1) and the model's name there"
            elif isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
                fix = f"put a key that the server takes into the environment variable {KEY}"
        problem = Problem(code, f"server {self.url}", redacted(what, KEY), fix)
        raise UserError([problem], EXIT_REWARD) from None

    def _client(self) -> AsyncOpenAI:
        _require_libraries()
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        return AsyncOpenAI(
            base_url=self.url,
            api_key=os.environ.get(KEY) or "none",
            max_retries=0,  # `attempts` retries; the two would multiply
            timeout=self.deadline,
            http_client=DefaultAsyncHttpxClient(verify=_certificates()),
        )


async def _together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at once; the first exception cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _require_libraries() -> None:
    require("stamina", "openai", code="E086", where="generation.backend", who="backend: server")


async def _post(
    client: AsyncOpenAI, path: str, body: Mapping[str, Any], check: Callable[[Answer], None]
) -> Generated:
    """Send one request.

    The client's typed methods visit every part of a request, which for a judge's prompt takes
    longer than everything else; its plain ``post`` sends the body unchanged.

    Raises:
        PassingError: The body of the response is not an answer, or ``check`` refuses it.
    """
    from httpx2 import Response

    answer = parsed((await client.post(path, body=body, cast_to=Response)).content, Answer)
    check(answer)
    return generated(answer)


@cache
def _certificates() -> SSLContext:
    """Trusted certificates, read once, because reading them takes longer than a request."""
    from httpx2 import create_ssl_context

    return create_ssl_context()


def url_problem(url: str) -> Problem | None:
    """E086: the URL is not the address of a server, or contains a password."""
    found = address_problem(url, variable=KEY, example="http://localhost:8000/v1")
    return found and Problem("E086", "url", *found)


def _may_pass(error: Exception) -> bool | float:
    """Whether to ask again; or, if the server says so, in how many seconds."""
    import openai

    if isinstance(error, openai.APIStatusError):
        header = error.response.headers.get("retry-after", "")
        return retry_after(error.status_code, header, longest=LONGEST_WAIT)
    return isinstance(error, (TimeoutError, openai.APIConnectionError, PassingError))


def _status(error: APIStatusError) -> str:
    return f"{error.status_code} {shown(' '.join(error.message.split()), LONGEST_REASON)}"


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, even while an event loop is running, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
