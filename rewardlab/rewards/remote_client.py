"""The client of `rewardlab.rewards.remote_protocol`: items of many callers become requests.

One event loop in a thread of its own gathers the items of all callers of one service into
requests. A caller waits for its own rows only, and only until its deadline.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pydantic import ValidationError

from rewardlab.errors import Problem, UserError, shown
from rewardlab.rewards.remote_protocol import KEY, Answer, Result, request_body
from rewardlab.types import Status

if TYPE_CHECKING:
    import httpx2

WINDOW = 0.005
"""Seconds that a request waits for other callers' items."""
LARGEST_REQUEST = 2_000_000
"""Characters of one request, unless a single item has more."""
LARGEST_ANSWER = 65_536
"""Bytes of an answer for each item, and once more for the rest of it."""
LONGEST_REASON = 200
WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds before the second attempt, doubled for each one after; and at most."""
CLOSING = 2.0
"""Seconds that a process may take to hang up when it ends."""


class _PassingError(Exception):
    """No answer, and another attempt may get one; the argument says why, ``wait`` when."""

    wait: float | None = None


class _RefusedError(Exception):
    """No answer, and no attempt will change that."""


class _IndigestibleError(_RefusedError):
    """The service does not take what the request holds."""


Reason: TypeAlias = str


# ── one call, and the items of all calls ────────────────────────────────────────────────────────


@dataclass(eq=False)
class Call:
    """One caller's rows. Once submitted, its thread writes only ``expired``.

    Attributes:
        deadline: By the monotonic clock.
        rows: How many there are.
        results: By row: the service's answer, or why there is none.
        left: Rows that wait.
        done: Set when none does.
        expired: The caller has gone; nothing more need be done.
    """

    deadline: float
    rows: int
    results: dict[int, Result | Reason] = field(default_factory=dict)
    left: int = 0
    done: Future[None] = field(default_factory=Future)
    expired: bool = False


@dataclass(eq=False)
class Item:
    """One row of a call on its way."""

    call: Call
    row: int
    texts: Mapping[str, str | None]

    @property
    def waits(self) -> bool:
        """Somebody still wants the answer."""
        return not self.call.expired and self.row not in self.call.results

    @property
    def size(self) -> int:
        """Characters."""
        return sum(len(text or "") for text in self.texts.values())

    def settle(self, result: Result | Reason) -> None:
        """Give the call its answer; the first one counts."""
        if self.row in self.call.results:
            return
        self.call.results[self.row] = result
        self.call.left -= 1
        if not self.call.left and not self.call.done.done():
            self.call.done.set_result(None)


# ── the service ─────────────────────────────────────────────────────────────────────────────────


class Options(NamedTuple):
    """How a service is asked; `rewardlab.rewards.remote.Remote` says what each of them means."""

    name: str
    url: str
    expects: str
    batch_size: int
    concurrency: int
    attempts: int


_opening = threading.Lock()


def service_of(options: Options) -> Service:
    """The one client of this process for a service that is asked in this way.

    Raises:
        UserError: E353, a library is missing; exit code 2.
    """
    with _opening:
        return _opened(options, os.getpid())


@cache
def _opened(options: Options, pid: int) -> Service:
    del pid  # a thread does not survive a fork, so a child opens its own
    return Service(options)


class Service:
    """Gathers items into requests, on an event loop in a thread of its own."""

    def __init__(self, options: Options) -> None:
        self._client = _client(options)
        self._options = options
        self._waiting: deque[Item] = deque()
        self._free = options.concurrency
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stated = options.expects
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=self._loop.run_forever, name=f"remote {options.name}", daemon=True
        )
        thread.start()
        atexit.register(self._close, thread)

    def submit(self, items: Sequence[Item]) -> None:
        """Take items of any thread's call."""
        self._loop.call_soon_threadsafe(self._arrive, items)

    def _close(self, thread: threading.Thread) -> None:
        """At the end of the process; nobody waits any more."""
        if thread.is_alive():  # not so in a forked child
            asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(CLOSING)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(CLOSING)
            self._loop.close()

    # From here on everything runs on the loop.

    async def _hang_up(self) -> None:
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _arrive(self, items: Sequence[Item]) -> None:
        self._waiting.extend(items)
        self._send(whole=True)
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_later(WINDOW, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._send(whole=False)

    def _send(self, *, whole: bool) -> None:
        """Start requests while there is room; with ``whole`` only full ones."""
        least = self._options.batch_size if whole else 1
        while self._free and len(self._waiting) >= least:
            batch = self._take()
            if batch:
                self._free -= 1
                self._start(self._finish(batch))

    def _take(self) -> list[Item]:
        batch: list[Item] = []
        size = 0
        while self._waiting and len(batch) < self._options.batch_size:
            item = self._waiting[0]
            if batch and size + item.size > LARGEST_REQUEST:
                break
            self._waiting.popleft()
            if item.waits:
                batch.append(item)
                size += item.size
        return batch

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, batch: Sequence[Item]) -> None:
        """See a batch through; every item of it is settled afterwards."""
        try:
            await self._settle(batch)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not leave callers waiting
            self._give_up(batch, f"{type(error).__name__} in the client: {error}")
        finally:
            self._free += 1
            # Without a timer, what gathered while all were busy has waited long enough.
            self._send(whole=self._timer is not None)

    async def _settle(self, batch: Sequence[Item]) -> None:
        try:
            await self._insist(batch)
        except _IndigestibleError as error:
            waiting = [item for item in batch if item.waits]
            if len(waiting) <= 1:
                self._give_up(waiting, str(error))
                return
            for half in (waiting[: len(waiting) // 2], waiting[len(waiting) // 2 :]):
                await self._settle(half)
        except (_PassingError, _RefusedError) as error:
            self._give_up(batch, str(error))

    def _give_up(self, batch: Sequence[Item], why: Reason) -> None:
        reason = _discreet(f"service {self._options.url}: {why}")
        for item in batch:
            item.settle(reason)

    async def _insist(self, batch: Sequence[Item]) -> None:
        """Ask until every item has its answer, within attempts and deadlines.

        Raises:
            _PassingError: Some have none.
            _RefusedError: None will have one.
        """
        import stamina

        number = 0
        async for attempt in stamina.retry_context(
            on=_again,
            attempts=self._options.attempts,
            timeout=None,
            wait_initial=WAIT,
            wait_max=LONGEST_WAIT,
            wait_jitter=WAIT,
        ):
            with attempt:
                number += 1
                waiting = [item for item in batch if item.waits]
                left = max((i.call.deadline for i in waiting), default=0.0) - time.monotonic()
                if left <= 0:
                    return  # nobody waits; the callers have told their rows unavailable
                # Half of the time that is left, so that a request that hangs leaves some.
                last = number == self._options.attempts
                await self._ask(waiting, seconds=left if last else left / 2)

    async def _ask(self, items: Sequence[Item], *, seconds: float) -> None:
        """One request; settles the items whose result is sound.

        Raises:
            _PassingError: Some result is missing or unsound, or there is no answer.
            _RefusedError: The service does not want us, or is not the one that was asked before.
        """
        # No other request has these ids, so another one's answer cannot pass for this one's.
        nonce = secrets.token_hex(8)
        wanted = {f"{nonce}-{number}": item for number, item in enumerate(items)}
        body = request_body({id_: item.texts for id_, item in wanted.items()})
        try:
            async with asyncio.timeout(seconds):
                content = await self._post(body, limit=LARGEST_ANSWER * (len(items) + 1))
        except TimeoutError:
            raise _PassingError(f"no whole answer within {seconds:.3g} seconds") from None
        answer = _read(content)
        self._check_signature(answer.signature)
        sound = _sound(answer, wanted)
        for id_, result in sound.items():
            wanted[id_].settle(result)
        if len(sound) < len(wanted):
            lacking = len(wanted) - len(sound)
            raise _PassingError(f"{lacking} of {len(wanted)} items without a sound result")

    async def _post(self, body: bytes, *, limit: int) -> bytes:
        """The body of a successful answer.

        Raises:
            _PassingError: As `_ask`.
            _RefusedError: As `_ask`.
        """
        import httpx2

        headers = {"Authorization": f"Bearer {token}"} if (token := _token()) else {}
        try:
            async with self._client.stream(
                "POST", self._options.url, content=body, headers=headers
            ) as response:
                _check_status(response)
                content = bytearray()
                async for part in response.aiter_raw():  # never unpacked: small may become large
                    content += part
                    if len(content) > limit:
                        raise _PassingError(f"its answer has more than {limit:,} bytes")
                return bytes(content)
        except httpx2.HTTPError as error:
            raise _PassingError(f"{type(error).__name__}: {error}") from None

    def _check_signature(self, stated: str) -> None:
        if self._stated and stated != self._stated:
            what = f"it states the signature {shown(stated)}, and it was {shown(self._stated)}"
            raise _RefusedError(f"{what}: another model answers now")
        self._stated = stated


def _client(options: Options) -> httpx2.AsyncClient:
    try:
        import httpx2
        import stamina
    except ImportError as error:
        what = f"the reward needs {error.name}, which is not installed"
        fix = "pip install 'rewardlab[server]'"
        raise UserError([Problem("E353", f"reward {options.name}", what, fix)]) from None
    del stamina
    # It reports every retry as a warning; what comes of them is reported here.
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    return httpx2.AsyncClient(
        timeout=None,  # every request stands under a total deadline
        follow_redirects=False,  # the token is for this address
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        limits=httpx2.Limits(max_connections=options.concurrency),
    )


def _check_status(response: httpx2.Response) -> None:
    code = response.status_code
    if code == 200:  # noqa: PLR2004 - HTTP's numbers are their own names
        if "content-encoding" in response.headers:
            raise _PassingError("its answer is compressed, which nobody asked for")
        return
    if code in {408, 425, 429} or code >= 500:  # noqa: PLR2004 - as above
        wait = response.headers.get("retry-after", "")
        passing = _PassingError(f"it answers with {code}")
        passing.wait = min(float(wait), LONGEST_WAIT) if wait.isdecimal() else None
        raise passing
    if code in {400, 413, 422}:
        raise _IndigestibleError(f"it refuses the item with {code}")
    hint = f"; the token is read from {KEY}" if code in {401, 403} else ""
    raise _RefusedError(f"it answers with {code}{hint}")


def _again(error: Exception) -> bool | float:
    """Whether to ask again; or, where the service says so, in how many seconds."""
    if isinstance(error, _PassingError):
        return True if error.wait is None else error.wait
    return False


def _read(content: bytes) -> Answer:
    try:
        return Answer.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        begins = shown(content[:LONGEST_REASON].decode("utf-8", "replace"))
        raise _PassingError(
            f"it sends what is no answer ({place}: {first['msg']}): {begins}"
        ) from None


def _sound(answer: Answer, wanted: dict[str, Item]) -> dict[str, Result]:
    """The results that can be used, by id.

    Raises:
        _PassingError: An id is another's, or there twice: then none can be trusted.
    """
    found: dict[str, Result] = {}
    seen: set[str] = set()
    for told in answer.results:
        id_ = told.get("id")
        if not isinstance(id_, str) or id_ not in wanted or id_ in seen:
            raise _PassingError(f"its results have the id {shown(id_)}, twice or unasked")
        seen.add(id_)
        try:
            result = Result.model_validate(told)
        except ValidationError:
            continue
        if result.status is not Status.UNAVAILABLE and result.fits(wanted[id_].texts):
            found[id_] = result
    return found


def _token() -> str:
    """The bearer token; empty without one.

    Raises:
        _RefusedError: It could not stand in a header; it is not repeated.
    """
    token = os.environ.get(KEY, "").strip()
    if not all("!" <= character <= "~" for character in token):
        raise _RefusedError(f"{KEY} holds white space or characters that no token has")
    return token


def _discreet(text: str) -> str:
    """Without the token, should the service have sent it back."""
    token = os.environ.get(KEY, "").strip()
    return text.replace(token, f"[{KEY}]") if token else text
