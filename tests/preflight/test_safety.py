"""Rewards that are easily fooled, and gates that catch it: every share counted by hand."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from rewardlab.errors import RewardUnavailable
from rewardlab.perturbations.attacks import ATTACKS, Attack, Case
from rewardlab.preflight.safety import (
    ALL,
    FEWEST_SOURCES,
    OWN,
    TOTAL,
    examine,
)
from rewardlab.rewards import FromFunction, NotCopied, NotEmpty
from rewardlab.rewards.base import RowReward, Verdict
from rewardlab.types import Candidate, Gate, RewardOutput, Status, Term

NUMBER = 25


def honest(number=NUMBER):
    """Texts such as ``w7 eins zwei.``, each of another source."""
    return [
        Case(
            Candidate(f"s{n}", f"w{n} eins zwei.", source_lang="en", target_lang="de", id=str(n)),
            "x.",
        )
        for n in range(number)
    ]


def length(candidates):
    return [float(len(candidate.hypothesis)) for candidate in candidates]


LENGTH = Term(FromFunction(length, worst=0.0))
LONGER = Attack("longer", lambda case: case.honest.hypothesis + " mehr", "longer")
SHORTER = Attack("shorter", lambda case: case.honest.hypothesis[:-1], "shorter")
SAME_LENGTH = Attack("same", lambda case: "z" * len(case.honest.hypothesis), "same length")
ODD = Attack(
    "odd",
    lambda case: None if int(case.honest.id) % 2 == 0 else "y" * 50,
    "long, where the number is odd",
)


@dataclass(frozen=True, kw_only=True)
class Closes(RowReward):
    """0 on texts that contain one of the words."""

    name: str = "closes"
    words: tuple[str, ...] = field(default=("mehr",))
    worst = 0.0

    def judge(self, candidate):
        return Verdict(float(not any(word in candidate.hypothesis for word in self.words)), [])


MORE = Gate(Closes(name="more", words=("mehr",)), below=0.5)
ZED = Gate(Closes(name="zed", words=("z",)), below=0.5)
Z_ONLY = Gate(Closes(name="z_only", words=("zz",)), below=0.5)
"""No honest text has it."""


def exposure(probe, gates=(), reward=LENGTH, cases=None, **options):
    found = examine([reward], cases or honest(), probes=[probe], gates=gates, **options)
    name = TOTAL if options.get("total") else reward.reward.name
    return found.attacked[0].exposures[name]


def test_a_longer_text_fools_a_reward_for_length():
    found = exposure(LONGER, [MORE])
    assert found.fooled.value == 1.0
    assert found.tied == 0.0
    assert found.with_one_gate == {"more": 0.0}
    assert (found.with_all_gates.value, found.judgement, found.closed_by) == (
        0.0,
        "hole",
        ("more",),
    )
    assert found.with_own_gates is None


def test_a_shorter_text_does_not():
    found = exposure(SHORTER, [MORE])
    assert (found.fooled.value, found.judgement, found.closed_by) == (0.0, "safe", ())


def test_an_equal_score_fools():
    found = exposure(SAME_LENGTH)
    assert (found.fooled.value, found.tied, found.judgement) == (1.0, 1.0, "open")


def test_a_gate_that_closes_elsewhere_leaves_the_hole_open():
    found = exposure(LONGER, [Z_ONLY])
    assert (found.with_all_gates.value, found.judgement, found.closed_by) == (1.0, "open", ())


def test_a_gate_that_closes_on_the_honest_text_makes_room_for_every_attack_it_leaves_open():
    """All honest texts have a z in "zwei": they score the worst, and the attack does not."""
    probe = Attack("cut", lambda case: case.honest.hypothesis[:3], "three characters")
    assert exposure(probe).fooled.value == 0.0
    found = exposure(probe, [ZED])
    assert found.with_one_gate == {"zed": 1.0}
    assert found.with_all_gates.value == 0.0  # it is too dear to count


def test_what_a_gate_closes_on_is_caught_even_when_the_honest_text_is_closed_on_too():
    assert exposure(LONGER, [ZED]).with_one_gate == {"zed": 0.0}


@pytest.mark.parametrize(("closed", "judgement"), [(1, "hole"), (2, "open")])
def test_a_gate_that_closes_on_more_than_one_in_twenty_honest_texts_is_not_recommended(
    closed, judgement
):
    """1 of 25 honest texts is 4%, 2 are 8%; the gate stops every attack."""
    gate = Gate(Closes(name="dear", words=("mehr", *(f"w{n} " for n in range(closed)))), below=0.5)
    safety = examine([LENGTH], honest(), probes=[LONGER], gates=[gate])
    (found,) = (one.exposures["length"] for one in safety.attacked)
    assert found.with_one_gate == {"dear": 0.0}
    assert found.judgement == judgement
    assert found.closed_by == (("dear",) if judgement == "hole" else ())
    assert safety.dear == ({"dear": 0.08} if closed == 2 else {})
    assert found.with_all_gates.value == (1.0 if closed == 2 else 0.0)


def test_only_where_the_probe_applies():
    (found,) = examine([LENGTH], honest(), probes=[ODD], gates=[MORE]).attacked
    assert (found.cases, found.not_applicable) == (12, 13)
    assert found.exposures["length"].cases == 12
    assert found.passed["more"].value == found.passed[ALL].value == 1.0


def test_few_sources_are_no_evidence():
    cases = honest(FEWEST_SOURCES - 1)
    assert exposure(SHORTER, cases=cases).judgement == "unknown"
    assert exposure(LONGER, cases=cases).judgement == "unknown"
    assert exposure(SHORTER, cases=honest(FEWEST_SOURCES)).judgement == "safe"


def test_some_rows_are_attacked_and_all_are_held_against_the_gates():
    found = examine([LENGTH], honest(), rows=[3, 4], probes=[LONGER], gates=[ZED])
    assert found.attacked[0].cases == 2
    assert found.closed["zed"].value == 1.0
    assert len(found.honest["length"]) == NUMBER


def test_honest_texts_that_gates_close_on():
    gate = Gate(Closes(name="seven", words=("w7 ",)), below=0.5)
    found = examine([LENGTH], honest(), probes=[SHORTER], gates=[gate, MORE], own_gates=[ZED])
    assert found.closed["seven"].value == pytest.approx(1 / NUMBER)
    assert found.closed["more"].value == 0.0
    assert found.closed[ALL].value == pytest.approx(1 / NUMBER)
    assert found.closed[OWN].value == 1.0


def test_gates_of_its_own_are_part_of_an_ensemble():
    found = exposure(LONGER, [Z_ONLY], own_gates=[MORE])
    assert found.fooled.value == 1.0
    assert found.with_own_gates.value == 0.0
    assert found.judgement == "safe"


def test_gates_of_its_own_that_close_on_every_honest_text_make_nothing_safe():
    found = exposure(LONGER, own_gates=[ZED])  # a z is in every "zwei"
    assert (found.with_own_gates.value, found.judgement) == (0.0, "unknown")


def test_gates_that_close_a_hole_only_together():
    def odd_or_even(case):
        return case.honest.hypothesis + (" mehr" if int(case.honest.id) % 2 else " zz")

    probe = Attack("either", odd_or_even, "one of two words")
    found = exposure(probe, [MORE, Z_ONLY, Gate(NotEmpty(), below=0.5)])
    assert found.with_one_gate["more"] == pytest.approx(13 / 25)
    assert (found.judgement, found.together) == ("hole", True)
    assert set(found.closed_by) == {"more", "z_only"}


def test_the_gate_that_a_probe_names_stands_first():
    probe = Attack("both", lambda case: case.honest.hypothesis + " mehr zz", "", guards=("z_only",))
    assert exposure(probe, [MORE, Z_ONLY]).closed_by == ("z_only", "more")


class TestTotal:
    """A reward for length and one against it, at different scales."""

    SHORT = FromFunction(lambda rows: [-100.0 * one for one in length(rows)], worst=-1e9, name="s")

    def total(self, weight, probe=LONGER):
        terms = [LENGTH, Term(self.SHORT, weight=weight)]
        found = examine(terms, honest(), probes=[probe], gates=[], total=True)
        return found.attacked[0].exposures

    def test_rewards_are_compared_in_standard_deviations_of_their_own(self):
        """Minus 100 times as much, at the same weight, cancels; at a half it does not."""
        assert self.total(1.0)[TOTAL].tied == pytest.approx(1.0)
        assert self.total(0.5)[TOTAL].fooled.value == 1.0
        assert self.total(2.0)[TOTAL].fooled.value == 0.0

    def test_every_term_is_judged_as_well(self):
        found = self.total(2.0)
        assert (found["length"].judgement, found["s"].judgement) == ("open", "safe")

    def test_a_term_without_weight_does_not_count(self):
        assert self.total(0.0)[TOTAL].fooled.value == 1.0

    def test_a_reward_that_is_constant_on_honest_texts_still_counts(self):
        terms = [Term(NotEmpty()), Term(NotCopied(), weight=0.0)]
        found = examine(terms, honest(), probes=[ATTACKS[1]], gates=[], total=True)
        assert found.attacked[0].exposures[TOTAL].fooled.value == 0.0


def test_what_has_no_score_is_counted_and_left_out():
    def fails_on_long(candidates):
        return [None if "mehr" in one.hypothesis else 1.0 for one in candidates]

    reward = Term(FromFunction(fails_on_long, worst=0.0))
    found = exposure(LONGER, [MORE], reward=reward)
    assert (found.cases, found.unscored, found.judgement) == (0, NUMBER, "unknown")
    assert np.isnan(found.fooled.value)


def test_a_reward_that_breaks_on_an_attack_stops_nothing():
    def breaks(candidates):
        return [float("nan") if "mehr" in one.hypothesis else 1.0 for one in candidates]

    cases = honest(600)  # enough for an ensemble to tell a broken reward
    found = exposure(LONGER, reward=Term(FromFunction(breaks, worst=0.0)), cases=cases)
    assert found.unscored == 600


def test_a_gate_that_is_down_is_no_verdict():
    def down(candidates):
        status = [Status.UNAVAILABLE] * len(candidates)
        return RewardOutput.of([None] * len(candidates), status=status)

    gate = Gate(FromFunction(down, worst=0.0), below=0.5)
    with pytest.raises(RewardUnavailable, match="gate down could not judge 25 texts"):
        examine([LENGTH], honest(), probes=[LONGER], gates=[gate])


def test_nothing_to_attack():
    with pytest.raises(ValueError, match="no cases"):
        examine([LENGTH], [])


def test_the_signature_names_rewards_and_gates():
    found = examine([LENGTH], honest(), probes=[SHORTER], gates=[MORE], own_gates=[ZED])
    assert [line.split("|")[0] for line in found.signature.splitlines()] == [
        "length",
        "gate zed",
        "gate more",
    ]
