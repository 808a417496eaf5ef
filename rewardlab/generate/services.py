"""Shared parts of service clients: addresses, secrets, retries, answers, and a circuit breaker.

`rewardlab.generate.server` asks servers for texts, and `rewardlab.rewards.remote_client` asks for
scores. Both check addresses in the same way, read their key from an environment variable, keep the
key out of messages, and repeat requests by the same rule.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import AsyncIterable, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from rewardlab.errors import Problem, UserError, shown

if TYPE_CHECKING:
    import stamina
    from pydantic import BaseModel

PASSING = frozenset({408, 409, 425, 429})
"""HTTP statuses below 500 after which another attempt may succeed; see `retry_after`."""
SHOWN = 200
"""Maximum number of bytes of an answer that a message shows."""
_SILENT = logging.NullHandler()
Form = TypeVar("Form", bound="BaseModel")


class PassingError(Exception):
    """There was no answer, but another attempt may get one.

    Attributes:
        retry: True for the client's own waiting time, or the seconds that the service requests.
    """

    def __init__(self, reason: str, retry: bool | float = True) -> None:
        self.retry = retry
        super().__init__(reason)


def address_problem(url: str, *, variable: str, example: str) -> tuple[str, str] | None:
    """What is wrong with the address of a service, and how to fix it; None if it is valid.

    Args:
        url: The address.
        variable: The environment variable with the key, to use instead of a password.
        example: An example of a valid address.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        what = "the address holds a user name or password, which logs would record"
        return what, f"put a key into the environment variable {variable}"
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return f"{shown(url)} is not the address of a service", f"for example {example}"
    return None


def redacted(text: str, variable: str) -> str:
    """The text with the name of an environment variable in place of its value.

    Args:
        text: A message that may quote what a service sent back.
        variable: The environment variable with the key.
    """
    secret = os.environ.get(variable, "").strip()
    return text.replace(secret, f"[{variable}]") if secret else text


def require(*libraries: str, code: str, where: str, who: str) -> None:
    """Check that the libraries of the ``server`` extra are installed.

    Args:
        *libraries: Their import names.
        code: Code of the error.
        where: The place that the message names.
        who: What needs the libraries.

    Raises:
        UserError: A library is missing; exit code 2.
    """
    for library in libraries:
        if find_spec(library) is None:
            what = f"{who} needs {library}, which is not installed"
            raise UserError([Problem(code, where, what, "pip install 'rewardlab[server]'")])


def retry_after(status: int, header: str, *, longest: float) -> bool | float:
    """Whether to repeat a request; or, if the service says so, in how many seconds.

    Args:
        status: The HTTP status; `PASSING` ones and those from 500 on may pass.
        header: ``Retry-After``, or empty.
        longest: Maximum seconds to wait.

    >>> retry_after(404, "", longest=9), retry_after(503, "", longest=9)
    (False, True)
    >>> retry_after(429, "60", longest=9)
    9
    """
    passes = status in PASSING or status >= 500  # noqa: PLR2004 - HTTP's server errors
    return min(float(header), longest) if passes and header.isdecimal() else passes


def attempts(
    may_pass: Callable[[Exception], bool | float], *, most: int, wait: float, longest: float
) -> AsyncIterable[stamina.Attempt]:
    """Attempts with exponential waiting times and jitter between them.

    Args:
        may_pass: Whether to try again after an exception, or in how many seconds.
        most: Maximum number of attempts.
        wait: Seconds before the second attempt; doubled for each later attempt.
        longest: Maximum seconds between two attempts.
    """
    import stamina

    # stamina logs every retry as a warning; the callers report what came of them.
    logging.getLogger("stamina").addHandler(_SILENT)
    return stamina.retry_context(
        on=may_pass,
        attempts=most,
        timeout=None,
        wait_initial=wait,
        wait_max=longest,
        wait_jitter=wait,
    )


def parsed(content: bytes, form: type[Form]) -> Form:
    """The JSON body of an answer.

    Args:
        content: The body.
        form: The form that the body must have.

    Raises:
        PassingError: The body does not have this form.
    """
    from pydantic import ValidationError

    try:
        return form.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        begins = shown(content[:SHOWN].decode("utf-8", "replace"))
        reason = f"it sends an invalid answer ({place}: {first['msg']}): {begins}"
        raise PassingError(reason) from None


class Breaker:
    """A circuit breaker: it opens when ``limit`` calls in a row have failed.

    Args:
        limit: Number of failures in a row.
        seconds: Seconds for which it stays open; after that the next failure opens it again.
    """

    def __init__(self, limit: int, seconds: float = math.inf) -> None:
        self._limit, self._seconds = limit, seconds
        self._open_until = 0.0
        self.failures = 0

    @property
    def is_open(self) -> bool:
        """Whether calls should stop."""
        return time.monotonic() < self._open_until

    def record(self, *, failed: bool) -> None:
        """Count a call that has ended."""
        self.failures = self.failures + 1 if failed else 0
        if self.failures >= self._limit:
            self._open_until = time.monotonic() + self._seconds
