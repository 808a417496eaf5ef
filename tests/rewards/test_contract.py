"""The contract of every reward: what `rewardlab.types.Reward` promises, held to each of them."""

import dataclasses
import importlib.util
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab import rewards
from rewardlab.rewards.registry import reward_names
from rewardlab.types import Candidate, ErrorSpan, Reward, Status


def load_contract():
    """Import the table beside this file, under a name that pickle can find again."""
    path = Path(__file__).with_name("contract.py")
    spec = importlib.util.spec_from_file_location("reward_contract", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


contract = load_contract()
CASES = contract.CASES
UNBOUNDED = contract.UNBOUNDED
NAMES = sorted(CASES)
ALL_FIELDS = {
    "source": "Katze",
    "source_lang": "fr",
    "prompt": "P",
    "id": "7",
    "hypothesis": "cat",
    "reference": "dog",
    "target_lang": "ru",
}

texts = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="ab 12.,'北ดٱ\u0301\u200d{}<>%_@", max_size=40),
    st.sampled_from([contract.GOOD, contract.SOURCE, *contract.HOSTILE.values()]).map(
        lambda text: text[:200]
    ),
)
candidates = st.builds(
    Candidate,
    source=texts,
    hypothesis=texts,
    reference=st.none() | texts,
    target_lang=st.sampled_from([None, "de", "ja", "zh_CN", "br"]),
)


def rows(case):
    """A handful of different rows that a reward can score."""
    return [
        case.better,
        case.worse,
        contract.candidate("Anna said the dog sleeps."),
        contract.candidate(""),
        contract.candidate("Der Hund", source="Der Hund", target_lang="ru"),
    ]


def same(one, other, tolerance=0.0):
    return (
        np.allclose(one.scores, other.scores, rtol=0.0, atol=tolerance, equal_nan=True)
        and one.status == other.status
        and (one.spans is None) == (other.spans is None)
        and all(
            same_spans(mine, theirs, tolerance)
            for mine, theirs in zip(one.spans or [], other.spans or [], strict=True)
        )
    )


def same_spans(spans, others, tolerance):
    return len(spans) == len(others) and all(
        dataclasses.replace(span, confidence=other.confidence) == other
        and abs(span.confidence - other.confidence) <= tolerance
        for span, other in zip(spans, others, strict=True)
    )


def test_every_reward_is_under_the_contract():
    assert sorted({*reward_names(), "from_function"}) == NAMES
    exported = [getattr(rewards, name) for name in rewards.__all__]
    covered = {type(case.reward) for case in CASES.values()}
    # Cached is another reward with a memory, and test_cached.py holds it to being no more.
    assert {cls for cls in exported if isinstance(cls, type)} == covered | {rewards.Cached}


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_conforms_to_the_protocol(self, name):
        reward = CASES[name].reward
        assert isinstance(reward, Reward)
        assert reward.name == name
        assert isinstance(reward.signature, str)
        assert "\n" not in reward.signature
        assert isinstance(reward.needs_reference, bool)
        assert np.isfinite(reward.worst)

    def test_a_reward_with_a_model_says_that_it_is_learned(self, name):
        """Planted texts are for learned rewards; a plain function cannot say."""
        reward = CASES[name].reward
        if name != "from_function":
            has_model = {"model", "url"} & {one.name for one in dataclasses.fields(reward)}
            assert reward.learned is bool(has_model)

    def test_is_a_frozen_hashable_dataclass(self, name):
        reward = CASES[name].reward
        assert dataclasses.is_dataclass(reward)
        with pytest.raises(dataclasses.FrozenInstanceError):
            reward.name = "other"
        assert hash(reward) == hash(dataclasses.replace(reward))

    def test_survives_pickling(self, name):
        case = CASES[name]
        case.reward(rows(case))  # whatever it loads on first use must not get in the way
        again = pickle.loads(pickle.dumps(case.reward))  # noqa: S301 - our own bytes
        assert again == case.reward
        assert same(again(rows(case)), case.reward(rows(case)))

    def test_every_option_is_in_the_signature(self, name):
        case = CASES[name]
        options = {field.name for field in dataclasses.fields(case.reward) if field.init}
        assert options - {"name"} == set(case.other_options)
        seen = {case.reward.signature}
        for option, value in {"name": "renamed", **case.other_options}.items():
            seen.add(dataclasses.replace(case.reward, **{option: value}).signature)
        assert len(seen) == len(options) + 1

    def test_better_beats_worse(self, name):
        case = CASES[name]
        better, worse = case.reward([case.better, case.worse]).scores
        assert better > worse >= case.reward.worst

    def test_an_empty_batch_works(self, name):
        output = CASES[name].reward([])
        assert output.scores.shape == (0,)
        assert output.status == []

    def test_order_does_not_matter_and_neither_does_the_batch(self, name):
        case = CASES[name]
        batch = rows(case)
        together = case.reward(batch)
        assert same(case.reward(batch[::-1]), reversed_output(together), case.tolerance)
        for row, one in enumerate(batch):
            assert same(case.reward([one]), only(together, row), case.tolerance)

    def test_answers_the_same_twice(self, name):
        case = CASES[name]
        assert same(case.reward(rows(case)), case.reward(rows(case)))

    def test_needs_reference_is_honest(self, name):
        case = CASES[name]
        blind = [dataclasses.replace(row, reference=None) for row in rows(case)]
        if case.reward.needs_reference:
            assert set(case.reward(blind).status) == {Status.NOT_APPLICABLE}
        else:
            assert same(case.reward(blind), case.reward(rows(case)))

    def test_key_holds_every_field_the_score_depends_on(self, name):
        """Changing a field leaves the key alone only if it leaves the output alone."""
        case = CASES[name]
        if case.reward.key(case.better) is None:
            return
        for row in rows(case):
            for field, value in ALL_FIELDS.items():
                changed = dataclasses.replace(row, **{field: value}, extra={"gold": 1.0})
                if case.reward.key(changed) == case.reward.key(row):
                    assert same(case.reward([changed]), case.reward([row])), field

    def test_key_holds_no_field_in_vain(self, name):
        """Ids, prompts and other people's columns do not make two rows different."""
        case = CASES[name]
        prompt = case.better.prompt if "prompt" in getattr(case.reward, "reads", ()) else "other"
        changed = dataclasses.replace(case.better, id="other", prompt=prompt, extra={"a": 1})
        assert case.reward.key(changed) == case.reward.key(case.better)

    @pytest.mark.parametrize("kind", contract.HOSTILE)
    def test_hostile_texts(self, name, kind):
        text = contract.HOSTILE[kind]
        batch = [
            contract.candidate(text),
            contract.candidate(contract.GOOD, source=text),
            contract.candidate(contract.GOOD, reference=text),
            contract.candidate(text, source=text, reference=text),
        ]
        started = time.process_time()
        check(CASES[name].reward, batch)
        assert time.process_time() - started < 2.0 * len(batch)

    @settings(max_examples=40, deadline=None)
    @given(batch=st.lists(candidates, max_size=3))
    def test_any_texts(self, name, batch):
        check(CASES[name].reward, batch)


def only(output, row):
    spans = None if output.spans is None else [output.spans[row]]
    return type(output)(output.scores[[row]], [output.status[row]], spans)


def reversed_output(output):
    spans = None if output.spans is None else output.spans[::-1]
    return type(output)(output.scores[::-1], output.status[::-1], spans)


def check(reward, batch):
    """One answer per row; scored rows are finite and not below the worst; spans lie in texts."""
    output = reward(batch)
    assert len(output.status) == len(batch)
    for row, candidate in enumerate(batch):
        assert np.isfinite(output.scores[row]) == output.status[row].scored
        if output.status[row].scored:
            assert output.scores[row] >= reward.worst or reward.name in UNBOUNDED
        for span in output.spans[row] if output.spans else []:
            assert isinstance(span, ErrorSpan)
            text = candidate.hypothesis if span.side == "hypothesis" else candidate.source
            assert span.end <= len(text)
            assert span.severity in ("minor", "major", "critical")
