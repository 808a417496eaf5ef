"""Can a broken answer of a judge raise a reward? Generated answers, and truncations.

Answers of all three forms are generated: correct answers, bare or wrapped; correct answers with up
to three characters changed; answers of the wrong form; prose, several answers at once, and noise.
The result of the reward is compared with that of a separate reader below. Truncations are correct
answers cut anywhere, reported as truncated and as finished. All answers take the normal path of a
judge's answer, with a second attempt that says the same.

    .venv/bin/python benchmarks/judge_answers.py [--answers 100000] [--truncations 20000]
        [--out benchmarks/results]

The exit code is 1 if anything is violated. A changed character that turns one digit of a grade
into another cannot be detected, so the digits of grades are not changed.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rewardlab.generate import Generated
from rewardlab.judges.asking import ask_judge
from rewardlab.rewards import AutoMQM, Naturalness, Rubric
from rewardlab.store.run_directory import versions
from rewardlab.types import Candidate

RESULTS = Path(__file__).parent / "results"
REWARDS = {
    "automqm": AutoMQM(model="none"),
    "naturalness": Naturalness(model="none"),
    "rubric": Rubric(model="none"),
}
TEXTS = [
    Candidate("Der Hund schlief nicht.", "The dog did not sleep, the dog said.", target_lang="en"),
    Candidate("他那天没来。", "He did not come that day; that is all.", target_lang="en"),
    Candidate("No <b>smoking</b> here!", "Hier bitte nicht\n<b>rauchen</b> \\o/", target_lang="de"),
    Candidate("Empty", "", target_lang="fr"),
]
CATEGORIES = ["Accuracy/Mistranslation", "Fluency/Punctuation", "Non-translation", "Other"]
KEYS = {
    "automqm": {"span": str, "span_with_context": str, "severity": str, "category": str, "in": str},
    "naturalness": {
        "span": str,
        "span_with_context": str,
        "severity": str,
        "excused": bool,
        "source_span": str,
    },
}
QUOTED = r'"(\\.|[^"\\])*"'
SEVERITIES = {"automqm": {"minor", "major", "critical"}, "naturalness": {"minor", "major"}}


class Made(NamedTuple):
    """An answer, and the right one that it was made from."""

    form: str
    candidate: Candidate
    kind: str
    text: str
    right: str


@dataclass(frozen=True)
class Saying:
    """A judge that says what it is told, the second time as well."""

    texts: Sequence[str]
    finished: bool = True

    def ask(self, prompts: Sequence[object], *_: object, **__: object) -> list[Generated]:
        return [Generated(text, 1, self.finished) for text in self.texts[: len(prompts)]]


def words(rng: random.Random, text: str) -> tuple[str, str]:
    """Words of a text with what stands around them; sometimes words that do not stand there."""
    if rng.random() < 0.2 or not text:
        return rng.choice(
            [
                "nowhere",
                "x",
                "\u00e9\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
            ]
        ), ""
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.randint(1, 12))
    around = text[max(0, start - rng.randint(0, 8)) : end + rng.randint(0, 8)]
    return text[start:end], around if rng.random() < 0.8 else ""


def right_value(rng: random.Random, form: str, candidate: Candidate) -> dict[str, Any]:
    if form == "rubric":
        return {"reason": rng.choice(["", "Good.", 'So "so".']), "score": rng.randint(1, 10)}
    errors: list[dict[str, Any]] = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
        side = "source" if form == "automqm" and rng.random() < 0.2 else "translation"
        span, around = words(rng, candidate.source if side == "source" else candidate.hypothesis)
        error: dict[str, Any] = {"span": span, "span_with_context": around}
        error["severity"] = rng.choice(sorted(SEVERITIES[form]))
        if form == "automqm":
            error |= {"category": rng.choice(CATEGORIES), "in": side}
        else:
            excused = rng.random() < 0.3
            error |= {"excused": excused, "source_span": candidate.source[:4] if excused else ""}
        errors.append(error)
    return {"errors": errors}


def written(rng: random.Random, value: object) -> str:
    """JSON in one of the ways it may be written."""
    indent = rng.choice([None, None, 1])
    return json.dumps(value, ensure_ascii=rng.random() < 0.3, indent=indent)


def wrapped(rng: random.Random, text: str) -> str:
    if rng.random() < 0.5:
        text = f"```{rng.choice(['', 'json'])}\n{text}\n```"
        return text if rng.random() < 0.7 else f"<think>\nHm.\n</think>\n\n{text}"
    return f"<think>\n{rng.choice(['', 'Hm. {', 'No errors.'])}\n</think>\n\n{text}"


def changed(rng: random.Random, text: str) -> str:
    """Up to three characters taken out, put in or replaced, digits of a grade left alone."""
    for _ in range(rng.randint(1, 3)):
        grade = re.search(r'"score":\s*\d*', text)
        place = rng.randrange(len(text) + 1)
        if grade and grade.end() - 3 <= place <= grade.end() + 1:
            continue
        new = rng.choice(
            [
                *"aeinorst",
                "",
                "",
                '"',
                "\\",
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "e",
                "\n",
                "\x00",
                "\u2028",
            ]
        )
        text = text[:place] + new + text[place + rng.randint(0, 1) :]
    return text


def wrong_value(rng: random.Random, form: str, value: dict[str, Any]) -> str:
    """An answer that is JSON, or nearly, and not of its form."""
    nothing = [None, 0, 1.5, "", "none", [], {}, True]
    texts = [
        json.dumps(rng.choice([None, 0, "", [], [value], {"answer": value}, {}])),
        json.dumps(value)[:-1] + ', "errors": [], "errors": []}',
        json.dumps({**value, "note": "perfect"}),
        json.dumps(value).replace(": ", ": NaN, ", 1),
        json.dumps(value).replace('"', "'"),
        "[" * rng.choice([10, 100_000]),
        "9" * rng.choice([10, 10_000]),
        json.dumps(value) + " " * 100_000,
    ]
    if form == "rubric":
        grades = [0, 11, -1, 7.0, "7", True, None, 1e300, float("inf"), float("nan"), [7]]
        texts += [json.dumps({**value, "score": one}) for one in grades]
        return rng.choice(texts)
    error: dict[str, Any] = dict.fromkeys(KEYS[form], "x") | {"severity": "minor"}
    error |= {"category": "Other", "in": "source"} if form == "automqm" else {"excused": True}
    key = rng.choice([*error])
    unknown = ["none", "Minor", "neutral", "unknown", "", "MAJOR "]
    broken = [
        {**error, key: rng.choice([one for one in nothing if type(one) is not KEYS[form][key]])},
        {name: one for name, one in error.items() if name != key},
        {**error, "score": 0},
        {**error, "severity": rng.choice(unknown)},
        {**error, "span": ""},
        {**error, "span": "x" * 5000},
    ]
    if form == "automqm":
        broken += [{**error, "category": "Style"}, {**error, "in": "reference"}]
    texts += [json.dumps({"errors": [*value["errors"], one]}) for one in broken]
    texts += [json.dumps({"errors": rng.choice([None, {}, "", error, [None], [[]]])})]
    texts += [json.dumps({"errors": [error] * 51})]
    return rng.choice(texts)


def prose(rng: random.Random, text: str, other: str) -> str:
    return rng.choice(
        [
            f"Here is my answer: {text}",
            f"{text}\n\nLet me know if you need more.",
            f"{text}\n{other}",
            f"{text},{other}",
            f"```json\n{text}\n```\n```json\n{other}\n```",
            f"```json\n{text}",
            f"<think>{text}",
            f"{text}</think>",
            f"<think>a</think><think>b</think>{text}",
            f"I cannot judge this text.{text[:0]}",
            f"\ufeff{text}",
            "",
            "   \n",
        ]
    )


def noise(rng: random.Random) -> str:
    letters = '{}[]",:\\ errosminajtucl0129.-+eE\n\t\x00é界\U0001f600\u202e'
    return "".join(rng.choices(letters, k=rng.randint(0, 200)))


def made(rng: random.Random) -> Made:
    form = rng.choice(["automqm", "automqm", "naturalness", "rubric"])
    candidate = rng.choice(TEXTS)
    value = right_value(rng, form, candidate)
    right = written(rng, value)
    other = written(rng, right_value(rng, form, candidate))
    kinds: dict[str, Callable[[], str]] = {
        "right": lambda: right,
        "wrapped": lambda: wrapped(rng, right),
        "changed": lambda: changed(rng, right),
        "changed, wrapped": lambda: changed(rng, wrapped(rng, right)),
        "wrong": lambda: wrong_value(rng, form, value),
        "prose": lambda: prose(rng, right, other),
        "noise": lambda: noise(rng),
    }
    kind = rng.choice([*kinds])
    return Made(form, candidate, kind, kinds[kind](), right)


def follows(form: str, text: str) -> bool:
    """Whether a text is an answer of the form by the letter: a reader of its own."""
    if len(text) > 100_000 or re.search(r"\b(NaN|Infinity)\b", re.sub(QUOTED, "", text)):
        return False
    try:
        value = json.loads(text, object_pairs_hook=once)
        json.dumps(value, ensure_ascii=False).encode()  # fails on half of a surrogate pair
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    if form == "rubric":
        reason, score = value.get("reason"), value.get("score")
        grade = type(score) is int and 1 <= score <= 10
        return {*value} == {"reason", "score"} and isinstance(reason, str) and grade
    errors = value.get("errors")
    listed = {*value} == {"errors"} and isinstance(errors, list) and len(errors) <= 50
    return listed and all(is_error(form, one) for one in errors)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


def is_error(form: str, error: Any) -> bool:
    """Whether one error is as it should be; of the categories, those that are made here."""
    kinds = KEYS[form]
    if not isinstance(error, dict) or {*error} != {*kinds}:
        return False
    if any(type(error[key]) is not kind for key, kind in kinds.items()):
        return False
    return (
        error["severity"] in SEVERITIES[form]
        and 0 < len(error["span"]) <= 4000
        and len(error["span_with_context"]) <= 4000
        and len(error.get("source_span", "")) <= 4000
        and error.get("category", "Other") in CATEGORIES
        and error.get("in", "source") in {"translation", "source"}
    )


def bare(text: str) -> str:
    """Without reasoning before it and a fence around it, by its ends."""
    *reasoning, last = text.split("</think>")
    if not any(block.strip()[:1] in {"{", "[", "`"} for block in reasoning if block.strip()):
        text = last.lstrip()
    stripped = text.strip()
    for fence in ("```", "~~~"):
        if stripped.startswith(fence) and stripped[len(fence) :].endswith(fence):
            inner = stripped[len(fence) : -len(fence)]
            text = inner[len("json") :] if inner[:4].lower() == "json" else inner
    return f'{{"errors": {text}}}' if text.lstrip().startswith("[") else text


def scored(
    form: str, candidate: Candidate, texts: Sequence[str], *, finished: bool = True
) -> list[tuple[str, float | None]]:
    """Status and score of each answer, as the reward has them."""
    reward = REWARDS[form]
    results: list[tuple[str, float | None]] = []
    for text in texts:
        saying: Any = Saying([text], finished)
        (judged,) = ask_judge(
            saying,
            reward.template,
            [reward.question(candidate)],
            reward.form,
            chat=True,
            max_new_tokens=8,
        )
        answer: Any = judged.answer
        score = None if answer is None else reward.opinion(candidate, answer).score
        results.append((judged.status.value, score))
    return results


def violations(one: Made) -> Iterator[str]:
    """What went wrong with one answer, after ``status``, which comes first."""
    try:
        (status, score), (_, best) = scored(one.form, one.candidate, [one.text, one.right])
    except Exception as error:  # noqa: BLE001 - any is a violation, and is counted
        yield "raised"
        yield f"exception: {error!r}"
        return
    yield status
    clean, mended = follows(one.form, one.text), follows(one.form, bare(one.text))
    if status == "ok" and not clean:
        yield "malformed, accepted as clean"
    if status == "repaired" and (clean or not mended):
        yield "malformed, accepted as repaired"
    if score is None and (clean or mended):
        yield "well-formed, not accepted"
    if one.kind.startswith(("changed", "wrapped")) and score is not None and score > best:
        yield "raised by a change"


def truncation(rng: random.Random) -> tuple[str, list[str]]:
    """Statuses and violations of a right answer cut at a random place."""
    one = made(rng)
    text = rng.choice([one.right, wrapped(rng, one.right)])
    cut = text[: rng.randrange(len(text))]
    found: list[str] = []
    statuses: list[str] = []
    ((_, whole),) = scored(one.form, one.candidate, [text])
    for finished in (True, False):
        ((status, score),) = scored(one.form, one.candidate, [cut], finished=finished)
        statuses.append(status)
        if score is not None and (not finished or whole is None or score > whole):
            found.append(f"truncation raised the reward: {cut!r}")
    return " / ".join(statuses), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--truncations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where judge_answers.json goes")
    options = parser.parse_args()
    rng, started = random.Random(options.seed), time.monotonic()  # noqa: S311 - no secrets here
    by_kind: dict[str, Counter[str]] = {}
    cuts, broken = Counter[str](), Counter[str]()
    for _ in range(options.answers):
        one = made(rng)
        status, *wrong = violations(one)
        by_kind.setdefault(one.kind, Counter())[status] += 1
        for what in wrong:
            broken[what] += 1
            print(f"{what}: {one.form} {one.kind} {one.text[:300]!r}", file=sys.stderr)
    for _ in range(options.truncations):
        statuses, wrong = truncation(rng)
        cuts[statuses] += 1
        broken.update(wrong)
    for kind, counts in {**by_kind, "cut, finished / unfinished": cuts}.items():
        print(f"{kind:<28}", *(f"{name} {count:,}" for name, count in sorted(counts.items())))
    print(f"violations: {broken.total()} in {time.monotonic() - started:.0f} s", *broken.items())
    if options.out:
        result = {
            "benchmark": "judge_answers",
            "answers": options.answers,
            "truncations": options.truncations,
            "seed": options.seed,
            "status_by_kind": {kind: dict(sorted(c.items())) for kind, c in by_kind.items()},
            "truncated": dict(sorted(cuts.items())),
            "violations": dict(broken),
            "versions": versions(),
        }
        path = options.out / "judge_answers.json"
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
