"""The client of `rewardlab.rewards.remote_protocol`: batches rows of many callers into requests.

One event loop in its own thread collects the rows of all callers of one service. A caller waits
for its own rows only, and only until its deadline.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pydantic import ValidationError

from rewardlab.errors import shown
from rewardlab.generate.services import (
    PassingError,
    attempts,
    parsed,
    redacted,
    require,
    retry_after,
)
from rewardlab.rewards.remote_protocol import KEY, LIBRARIES, Answer, Result, request_body
from rewardlab.types import Status

if TYPE_CHECKING:
    import httpx2

WINDOW = 0.005
"""Seconds that a request waits for the rows of other callers."""
LARGEST_REQUEST = 2_000_000
"""Maximum number of characters in one request, unless a single row has more."""
LARGEST_ANSWER = 65_536
"""Maximum number of bytes in an answer for each row, and again for the rest of the answer."""
WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds before the second attempt, doubled for each later attempt; and their maximum."""
CLOSING = 2.0
"""Seconds that closing the connections may take when the process ends."""


class _RefusedError(Exception):
    """There was no answer, and another attempt would get none either."""


class _RowRefusedError(_RefusedError):
    """The service refuses a request because of a row in it."""


Reason: TypeAlias = str


# ── one call, and the rows of all calls ─────────────────────────────────────────────────────────


@dataclass(eq=False)
class Call:
    """One caller's rows. Once they are submitted, the caller's thread writes only ``expired``.

    Attributes:
        deadline: Time on the monotonic clock at which the caller stops waiting.
        rows: Number of rows.
        results: Row number -> the service's answer, or why there is none.
        left: Number of rows without a result so far.
        done: Set when every row has a result.
        expired: The caller no longer waits.
    """

    deadline: float
    rows: int
    results: dict[int, Result | Reason] = field(default_factory=dict)
    left: int = 0
    done: Future[None] = field(default_factory=Future)
    expired: bool = False


@dataclass(eq=False)
class Item:
    """One row of a call.

    Attributes:
        call: The call it belongs to.
        row: Its number in that call.
        texts: Field name -> text to send.
    """

    call: Call
    row: int
    texts: Mapping[str, str | None]

    @property
    def waits(self) -> bool:
        """Whether the caller still needs an answer."""
        return not self.call.expired and self.row not in self.call.results

    @property
    def size(self) -> int:
        """Number of characters."""
        return sum(len(text or "") for text in self.texts.values())

    def settle(self, result: Result | Reason) -> None:
        """Give the call its answer; only the first one counts."""
        if self.row in self.call.results:
            return
        self.call.results[self.row] = result
        self.call.left -= 1
        if not self.call.left and not self.call.done.done():
            self.call.done.set_result(None)


# ── the service ─────────────────────────────────────────────────────────────────────────────────


class Options(NamedTuple):
    """The options of a service; see `rewardlab.rewards.remote.Remote`."""

    name: str
    url: str
    expects: str
    batch_size: int
    concurrency: int
    attempts: int


_opening = threading.Lock()


def service_of(options: Options) -> Service:
    """The one client of this process for a service with these options.

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
    """Batches rows into requests, on an event loop in its own thread."""

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
        """Take the rows of a call, from any thread."""
        self._loop.call_soon_threadsafe(self._arrive, items)

    def _close(self, thread: threading.Thread) -> None:
        """Close the connections when the process ends; by then no caller waits."""
        if thread.is_alive():  # not so in a forked child
            asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result(CLOSING)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(CLOSING)
            self._loop.close()

    # From here on everything runs on the loop.

    async def _disconnect(self) -> None:
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _arrive(self, items: Sequence[Item]) -> None:
        self._waiting.extend(items)
        self._send(least=self._options.batch_size)
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_later(WINDOW, self._window_over)

    def _window_over(self) -> None:
        self._timer = None
        self._send(least=1)

    def _send(self, *, least: int) -> None:
        """Start requests of at least ``least`` rows while another request is allowed."""
        while self._free and len(self._waiting) >= least:
            if batch := self._take():
                self._free -= 1
                task = self._loop.create_task(self._finish(batch))
                self._tasks.add(task)  # the loop itself holds tasks weakly
                task.add_done_callback(self._tasks.discard)

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

    async def _finish(self, batch: Sequence[Item]) -> None:
        """Get answers for a batch; every row of it is settled afterwards."""
        try:
            await self._settle(batch)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not leave callers waiting
            self._give_up(batch, f"{type(error).__name__} in the client: {error}")
        finally:
            self._free += 1
            # Rows that arrived while all requests were busy have waited enough without a timer.
            self._send(least=1 if self._timer is None else self._options.batch_size)

    async def _settle(self, batch: Sequence[Item]) -> None:
        try:
            await self._insist(batch)
        except _RowRefusedError as error:
            waiting = [item for item in batch if item.waits]
            if len(waiting) <= 1:
                self._give_up(waiting, str(error))
                return
            for half in (waiting[: len(waiting) // 2], waiting[len(waiting) // 2 :]):
                await self._settle(half)
        except (PassingError, _RefusedError) as error:
            self._give_up(batch, str(error))

    def _give_up(self, batch: Sequence[Item], why: Reason) -> None:
        reason = redacted(f"service {self._options.url}: {why}", KEY)
        for item in batch:
            item.settle(reason)

    async def _insist(self, batch: Sequence[Item]) -> None:
        """Ask until every row has an answer, or attempts or deadlines run out.

        Raises:
            PassingError: Some rows have none.
            _RefusedError: No row will get one.
        """
        async for attempt in attempts(
            _may_pass, most=self._options.attempts, wait=WAIT, longest=LONGEST_WAIT
        ):
            with attempt:
                waiting = [item for item in batch if item.waits]
                left = max((i.call.deadline for i in waiting), default=0.0) - time.monotonic()
                if left <= 0:
                    return  # no caller waits
                # Half of the remaining time, so that there is time to retry a request that hangs.
                last = attempt.num == self._options.attempts
                await self._ask(waiting, seconds=left if last else left / 2)

    async def _ask(self, items: Sequence[Item], *, seconds: float) -> None:
        """Send one request and settle the rows whose result is valid.

        Raises:
            PassingError: Some result is missing or invalid, or there is no answer.
            _RefusedError: The service refuses the request, or its signature has changed.
        """
        # The ids are unique to this request, so the answer to another request does not match them.
        nonce = secrets.token_hex(8)
        wanted = {f"{nonce}-{number}": item for number, item in enumerate(items)}
        body = request_body({id_: item.texts for id_, item in wanted.items()})
        try:
            async with asyncio.timeout(seconds):
                content = await self._post(body, limit=LARGEST_ANSWER * (len(items) + 1))
        except TimeoutError:
            raise PassingError(f"no complete answer within {seconds:.3g} seconds") from None
        answer = parsed(content, Answer)
        self._check_signature(answer.signature)
        valid = _valid_results(answer, wanted)
        for id_, result in valid.items():
            wanted[id_].settle(result)
        if lacking := len(wanted) - len(valid):
            raise PassingError(f"{lacking} of {len(wanted)} items without a valid result")

    async def _post(self, body: bytes, *, limit: int) -> bytes:
        """The body of a successful answer.

        Raises:
            PassingError: As `_ask`.
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
                        raise PassingError(f"its answer has more than {limit:,} bytes")
                return bytes(content)
        except httpx2.HTTPError as error:
            raise PassingError(f"{type(error).__name__}: {error}") from None

    def _check_signature(self, stated: str) -> None:
        if self._stated and stated != self._stated:
            what = f"it states the signature {shown(stated)}, and it was {shown(self._stated)}"
            raise _RefusedError(f"{what}: another model answers now")
        self._stated = stated


def _client(options: Options) -> httpx2.AsyncClient:
    require(*LIBRARIES, code="E353", where=f"reward {options.name}", who="the reward")
    import httpx2

    return httpx2.AsyncClient(
        timeout=None,  # every request has a deadline of its own
        follow_redirects=False,  # the token is for this address
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        limits=httpx2.Limits(max_connections=options.concurrency),
    )


def _check_status(response: httpx2.Response) -> None:
    code = response.status_code
    if code == 200:  # noqa: PLR2004 - HTTP's numbers are their own names
        if "content-encoding" in response.headers:
            raise PassingError("its answer is compressed, which was not asked for")
        return
    header = response.headers.get("retry-after", "")
    if (retry := retry_after(code, header, longest=LONGEST_WAIT)) is not False:
        raise PassingError(f"it answers with {code}", retry)
    if code in {400, 413, 422}:
        raise _RowRefusedError(f"it refuses the item with {code}")
    hint = f"; the token is read from {KEY}" if code in {401, 403} else ""
    raise _RefusedError(f"it answers with {code}{hint}")


def _may_pass(error: Exception) -> bool | float:
    return error.retry if isinstance(error, PassingError) else False


def _valid_results(answer: Answer, wanted: Mapping[str, Item]) -> dict[str, Result]:
    """Id -> result, for the results that can be used.

    Raises:
        PassingError: An id is unknown, or there twice: then no result can be trusted.
    """
    valid: dict[str, Result] = {}
    seen: set[str] = set()
    for entry in answer.results:
        id_ = entry.get("id")
        if not isinstance(id_, str) or id_ not in wanted or id_ in seen:
            raise PassingError(
                f"its results have the id {shown(id_)}, which is unknown or repeated"
            )
        seen.add(id_)
        try:
            result = Result.model_validate(entry)
        except ValidationError:
            continue
        if result.status is not Status.UNAVAILABLE and result.fits(wanted[id_].texts):
            valid[id_] = result
    return valid


def _token() -> str:
    """The bearer token; empty if there is none.

    Raises:
        _RefusedError: It cannot be part of a header; the message does not repeat it.
    """
    token = os.environ.get(KEY, "").strip()
    if not all("!" <= character <= "~" for character in token):
        raise _RefusedError(f"{KEY} holds white space or characters that no token has")
    return token
