"""Asking a judge: every question once, and what was not answered as asked a second time.

Who is at fault decides what a failure costs (`rewardlab.types.Status`). A service that gives no
answer is ours: ``UNAVAILABLE``. An answer that was cut off, refused or is not of the form is the
text's fault once the second one is no better: a text that breaks its judge must not gain by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple

from rewardlab.generate import Generated, Generator, Sampling, Unanswered
from rewardlab.judges.answers import Form, json_schema, read_answer
from rewardlab.judges.prompts import Template, write_question
from rewardlab.types import Status


class Judged(NamedTuple, Generic[Form]):
    """What came of one question.

    Attributes:
        status: ``OK`` or ``REPAIRED`` with an answer; else why there is none.
        answer: What the judge says.
        asked: How often it was asked.
        prompt_tokens: Tokens it read, all times together.
        completion_tokens: Tokens it wrote.
        reason: Why there was no answer at all; then it was not asked again.
    """

    status: Status
    answer: Form | None = None
    asked: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reason: str = ""


def ask_judge(
    judge: Generator,
    template: Template,
    questions: Sequence[Mapping[str, str]],
    form: type[Form],
    *,
    chat: bool,
    max_new_tokens: int,
) -> list[Judged[Form]]:
    """Ask about every text; the likeliest answer is taken, nothing is drawn.

    Args:
        judge: The model.
        template: What it is asked.
        questions: The texts, by name.
        form: What it is to answer.
        chat: Ask in the form of a chat.
        max_new_tokens: An answer is cut here, and then is none.

    Raises:
        UserError: The backend is not set up so that it could answer anything.
    """
    sampling = Sampling(max_new_tokens=max_new_tokens)

    def ask(rows: Sequence[int], attempt: int) -> list[Judged[Form]]:
        prompts = [
            write_question(template, questions[row], chat=chat, attempt=attempt) for row in rows
        ]
        seeds = [attempt] * len(rows)
        answers = judge.ask(prompts, sampling, seeds=seeds, schema=json_schema(form))
        return [_judged(answer, form) for answer in answers]

    judged = ask(range(len(questions)), 0) if questions else []
    # A service that takes no such text says so again; only what it answered is asked anew.
    again = [row for row, one in enumerate(judged) if one.status.failed and not one.reason]
    for row, second in zip(again, ask(again, 1) if again else [], strict=True):
        first = judged[row]
        judged[row] = second._replace(
            asked=2,
            prompt_tokens=first.prompt_tokens + second.prompt_tokens,
            completion_tokens=first.completion_tokens + second.completion_tokens,
        )
    return judged


def _judged(answer: Generated | Unanswered, form: type[Form]) -> Judged[Form]:
    """Read one answer; one that was cut off is never read."""
    if isinstance(answer, Unanswered):
        ours = answer.fault == "service"
        status = Status.UNAVAILABLE if ours else Status.UNPARSEABLE
        return Judged(status, reason=answer.reason)
    if answer.refused:
        status, found = Status.REFUSED, None
    elif not answer.finished:
        status, found = Status.TRUNCATED, None
    else:
        status, found = read_answer(answer.text, form)
    return Judged(
        status, found, prompt_tokens=answer.prompt_tokens, completion_tokens=answer.tokens
    )
