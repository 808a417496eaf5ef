"""Asking a judge: every question once, and a second time if the answer cannot be used.

The status of a failure decides what it costs (`rewardlab.types.Status`). If a service gives no
answer, the row is ``UNAVAILABLE``, which is not the text's fault. If both answers are truncated,
refused or not in the requested form, the text is at fault: a text that breaks its judge must not
gain by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple

from rewardlab.generate import Generated, Generator, Sampling, Unanswered
from rewardlab.judges.answers import Form, json_schema, read_answer
from rewardlab.judges.prompts import Template, write_question
from rewardlab.text.prompts import Prompt, without_separator
from rewardlab.types import Status


class JudgeReply(NamedTuple, Generic[Form]):
    """A judge's reply to one question.

    Attributes:
        status: ``OK`` or ``REPAIRED`` with an answer; otherwise why there is none.
        answer: The answer, in the requested form.
        asked: Number of times that the question was asked.
        prompt_tokens: Tokens of the prompts.
        completion_tokens: Tokens of the answers.
        reason: Why the service gave no text; then the question is not asked again.
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
) -> list[JudgeReply[Form]]:
    """Ask N questions, with greedy decoding.

    Args:
        judge: The model.
        template: The prompt file.
        questions: N questions, each name -> text.
        form: The form of an answer.
        chat: Ask through the model's chat template.
        max_new_tokens: Maximum number of tokens in an answer; a longer answer is truncated and
            counts as failed.

    Returns:
        N replies.

    Raises:
        UserError: The backend is configured so that it cannot answer any question.
    """
    sampling = Sampling(max_new_tokens=max_new_tokens)

    def ask(rows: Sequence[int], attempt: int) -> list[JudgeReply[Form]]:
        prompts = [
            write_question(template, questions[row], chat=chat, attempt=attempt) for row in rows
        ]
        seeds = [attempt] * len(rows)
        answers = judge.ask(prompts, sampling, seeds=seeds, schema=json_schema(form))
        return [_reply(one, prompt, form) for prompt, one in zip(prompts, answers, strict=True)]

    replies = ask(range(len(questions)), 0) if questions else []
    # A service that does not take a text would refuse it again.
    again = [row for row, one in enumerate(replies) if one.status.failed and not one.reason]
    for row, second in zip(again, ask(again, 1) if again else [], strict=True):
        first = replies[row]
        replies[row] = second._replace(
            asked=2,
            prompt_tokens=first.prompt_tokens + second.prompt_tokens,
            completion_tokens=first.completion_tokens + second.completion_tokens,
        )
    return replies


def _reply(text: Generated | Unanswered, prompt: Prompt, form: type[Form]) -> JudgeReply[Form]:
    """Read one answer; a truncated one is never read."""
    if isinstance(text, Unanswered):
        ours = text.fault == "service"
        status = Status.UNAVAILABLE if ours else Status.UNPARSEABLE
        return JudgeReply(status, reason=text.reason)
    if text.refused:
        status, answer = Status.REFUSED, None
    elif not text.finished:
        status, answer = Status.TRUNCATED, None
    else:
        written = without_separator(prompt, text.text)
        status, answer = read_answer(written, form, text.closings)
    return JudgeReply(
        status, answer, prompt_tokens=text.prompt_tokens, completion_tokens=text.tokens
    )
