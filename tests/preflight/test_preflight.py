import json

import gold_scores
import pytest

from rewardlab.perturbations.attacks import ATTACKS
from rewardlab.preflight.honest_texts import honest_of_gold, honest_of_texts
from rewardlab.preflight.preflight import preflight
from rewardlab.preflight.safety import DEFAULT_GATES, TOTAL
from rewardlab.rewards import ChrF, ExactMatch, NotEmpty
from rewardlab.types import Gate, Term

SENTENCES = [f"Der {n}. Satz steht hier und ist recht lang." for n in range(40)]
SOURCES = [f"Sentence {n} stands here, and it is rather long." for n in range(40)]


def of_gold(*rewards, **options):
    honest = honest_of_gold(gold_scores.gold(), reference_system="refA")
    terms = [Term(reward) for reward in rewards or (ChrF(), NotEmpty())]
    return preflight(terms, honest, **options)


def of_texts(**options):
    other = [text.replace("recht", "sehr") for text in SENTENCES]
    translations = {"one": SENTENCES, "two": other}
    honest = honest_of_texts(SOURCES, translations, None, source_lang="en", target_lang="de")
    return preflight([Term(NotEmpty())], honest, **options)


def test_agreement_with_people_and_the_constant():
    found = of_gold().agreement
    assert [*found] == ["chrf", "not_empty", "constant"]
    # people tie A and B on the second text only: 1 of 6 pairs
    assert found["constant"].acc_eq == pytest.approx((0 / 3 + 1 / 3) / 2)
    assert found["not_empty"] == pytest.approx(found["constant"], nan_ok=True)
    # text 1: A is best as people say, but chrF likes C more than B; text 2: all pairs are right
    assert found["chrf"].acc_eq == pytest.approx((2 / 3 + 3 / 3) / 2)
    assert found["chrf"].kendall == pytest.approx((1 / 3 + 1) / 2)


def test_discrimination_within_sources():
    found = of_gold().discrimination
    assert found["chrf"].right.value == pytest.approx(4 / 5)
    assert found["chrf"].pairs == 5
    assert found["not_empty"].tied.value == found["not_empty"].constant.value == 1.0


def test_nobody_judged_and_the_reward_is_constant():
    found = of_texts()
    assert found.agreement == {}
    assert found.discrimination["not_empty"].constant.value == 1.0
    assert found.discrimination["not_empty"].pairs == 0


def test_an_ensemble_has_a_total():
    found = of_gold(total=True, own_gates=[Gate(NotEmpty(), below=0.5)])
    assert [*found.agreement] == ["chrf", "not_empty", TOTAL, "constant"]
    # not_empty is 1 everywhere, so the total is chrF on another scale
    total, chrf = found.agreement[TOTAL], found.agreement["chrf"]
    assert total._replace(epsilon=0.0) == pytest.approx(chrf._replace(epsilon=0.0))


def test_so_many_are_attacked_and_the_draw_has_a_seed():
    cases = [one.cases for one in of_texts(most_cases=10).safety.attacked if one.cases]
    assert set(cases) == {10}
    assert of_texts(most_cases=10).as_json() == of_texts(most_cases=10).as_json()
    assert of_texts(most_cases=1000).safety.attacked[0].cases == 80


def test_what_is_being_done_is_told():
    lines = []
    of_gold(tell=lines.append)
    assert lines[0] == "scoring 6 honest translations"
    assert lines[-1] == "comparing with human scores"
    assert len(lines) == 2 + len(ATTACKS)


def test_the_document():
    found = json.loads(json.dumps(of_gold(ChrF(), ExactMatch()).as_json(), allow_nan=False))
    assert [*found] == [
        "signature", "honest", "limit", "agreement", "discrimination", "gates", "own_gates",
        "probes",
    ]  # fmt: skip
    assert found["honest"]["systems"] == ["A", "B", "C"]
    assert found["honest"]["texts"] == 6
    assert [*found["gates"]] == [*(gate.reward.name for gate in DEFAULT_GATES), "all"]
    assert found["gates"]["not_empty"]["yaml"] == "- {reward: not_empty, below: 0.5}"
    empty = found["probes"]["empty"]
    assert empty["passed"]["not_empty"] == 0.0
    assert empty["passed"]["not_copied"] == 1.0
    assert empty["rewards"]["chrf"]["fooled"][0] == 0.0
    assert empty["rewards"]["chrf"]["judgement"] == "unknown"  # two sources are too few
    # exact_match is 0 on all but system A's first text, so an empty text is as good
    assert empty["rewards"]["exact_match"]["fooled"][0] == round(5 / 6, 4)
    assert found["probes"]["number"]["rewards"]["chrf"]["fooled"] == [None, None, None]


def test_a_hole_and_an_open_hole():
    found = of_texts().safety
    judged = {one.probe.name: one.exposures["not_empty"] for one in found.attacked}
    assert judged["empty"].judgement == "safe"
    assert (judged["copy"].judgement, judged["copy"].closed_by) == ("hole", ("not_copied",))
    assert judged["word_dropped"].judgement == "open"
    # the numbers of another text are not those of the source
    assert judged["unrelated"].closed_by == ("numbers_agree",)
