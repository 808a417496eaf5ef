import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.data.rows import Row
from rewardlab.human.rated import Rated
from rewardlab.rewards import ChrF
from rewardlab.scorers.free_supervision import (
    free_examples,
    like_lengths,
    weighed,
    with_shuffled_sources,
    without_traces,
)
from rewardlab.types import Candidate, ErrorSpan

SENTENCES = (
    ("The cat sleeps on the old sofa.", "El gato duerme en el viejo sofá."),
    ("She reads a long book today.", "Hoy ella lee un libro largo."),
    ("We drink coffee in the morning.", "Tomamos café por la mañana."),
    ("The train leaves at seven.", "El tren sale a las siete."),
)
MACHINE = {
    "1": "El gato duerme en el sofá viejo.",
    "2": "Ella lee un *long libro hoy.",
    "3": "",
    "4": "El tren sale a las siete.",
}


def rows():
    return [
        Row(str(number), source, target, "en", "es", f"page {number}")
        for number, (source, target) in enumerate(SENTENCES, start=1)
    ]


def examples(**options):
    plain = {"copies": 1, "seed": 0}
    return free_examples(rows(), {"apertium": MACHINE}, **{**plain, **options})


class TestWithoutTraces:
    @pytest.mark.parametrize(
        ("text", "reference", "clean"),
        [
            ("El *blog de #hoy es @largo", "Es largo.", "El blog de hoy es largo."),
            ("¿Viene?", "Que venga.", "¿Viene."),
            ("Dijo «sí».", "Dijo que sí", "Dijo «sí»"),
            ("Sí", "Sí!", "Sí!"),
            ("2*3 y a@b.es", "2*3 y a@b.es", "2*3 y a@b.es"),
            (" * ", "x.", "*."),
            ("", "x.", ""),
        ],
    )
    def test_marks_go_and_the_final_mark_is_the_references(self, text, reference, clean):
        assert without_traces(text, reference) == clean


class TestExamples:
    def test_people_have_no_errors_and_the_copies_have_some(self):
        found = examples()
        human = [row for row in found.rated if row.system == "made-up:reference"]
        assert [row.candidate.hypothesis for row in human] == [target for _, target in SENTENCES]
        assert {row.score for row in human} == {0.0}
        assert all(row.spans == ((),) for row in human)
        assert all(
            p.chosen.hypothesis in dict(SENTENCES).values() for p in found.pairs["human > damaged"]
        )

    def test_a_machine_is_judged_by_chrf_and_its_words_are_unknown(self):
        found = [row for row in examples().rated if row.system == "apertium"]
        # an empty translation and one that equals the reference are left out
        assert {row.candidate.id for row in found} <= {"1", "2"}
        for row in found:
            reference = dict(zip("1234", (target for _, target in SENTENCES), strict=True))
            candidate = Candidate(
                "", row.candidate.hypothesis, reference=reference[row.candidate.id]
            )
            chrf = ChrF()([candidate]).scores[0]
            assert row.score == pytest.approx(-25.0 * (1.0 - chrf / 100.0))
            assert row.spans == ()
            assert "*" not in row.candidate.hypothesis

    def test_what_is_left_out_is_counted(self):
        # of 4, one is empty and one equals its reference; one of the others is shorter than its
        # reference by a character ("Ella lee un long libro hoy." is as long as the reference)
        (funnel,) = examples().machine.values()
        assert funnel.start == 4
        assert funnel.steps[:2] == (("empty", 1), ("equal to the reference", 1))
        kept = sum(row.system == "apertium" for row in examples().rated)
        assert funnel.kept == kept

    def test_a_damaged_machine_translation_is_worse_than_it_was(self):
        found = examples()
        pairs = found.pairs["apertium > damaged"]
        assert pairs
        scores = {row.candidate: row.score for row in found.rated}
        assert all(scores[pair.chosen] > scores[pair.rejected] for pair in pairs)
        assert all(pair.margin > 0 for kind in found.pairs.values() for pair in kind)

    def test_the_order_of_rows_changes_nothing(self):
        machine = {"apertium": MACHINE}
        shuffled = rows()
        random.Random(3).shuffle(shuffled)  # noqa: S311 - no secrets here
        one, other = (free_examples(some, machine, copies=2, seed=1) for some in (rows(), shuffled))
        assert {repr(row) for row in one.rated} == {repr(row) for row in other.rated}

    def test_points_make_errors_major(self):
        minor, major = (
            {row.candidate: row for row in examples(points=p).rated} for p in (1.0, 5.0)
        )
        for candidate, row in minor.items():
            if row.system == "made-up:words" and any(row.spans):
                assert major[candidate].score == max(-25.0, 5.0 * row.score)
                assert {span.severity for span in row.spans[0]} == {"minor"}
                assert {span.severity for span in major[candidate].spans[0]} == {"major"}


def test_the_own_errors_of_a_text_keep_their_weight():
    row = Rated(Candidate("a", "b"), -7.0, ((ErrorSpan(0, 1, "minor"),),))
    assert weighed(row, -6.0, 5.0).score == -11.0
    assert weighed(row, -6.0, 25.0).score == -25.0


@given(
    st.lists(st.tuples(st.integers(10, 40), st.integers(10, 40)), max_size=40),
    st.randoms(use_true_random=False),
)
def test_longer_and_shorter_translations_are_equally_frequent(lengths, rng):
    human, machine = {}, []
    for number, (own, wanted) in enumerate(lengths):
        row_id = str(number)
        human[row_id] = Rated(Candidate("s", "x" * wanted, id=row_id), 0.0)
        machine.append(Rated(Candidate("s", "y" * own, id=row_id), -1.0))
    kept = like_lengths(machine, human, seed=0)
    bins = [
        round(
            math.log(
                len(row.candidate.hypothesis) / len(human[row.candidate.id].candidate.hypothesis)
            )
            / 0.05
        )
        for row in kept
    ]
    assert sorted(bins) == sorted(-one for one in bins)
    assert all(abs(one) <= 6 for one in bins)
    rng.shuffle(machine)
    assert {row.candidate.id for row in like_lengths(machine, human, seed=0)} == {
        row.candidate.id for row in kept
    }


class TestShuffledSources:
    def test_every_source_is_another_one_of_about_its_length(self):
        rated = [
            Rated(Candidate("x" * length + str(copy), f"t{copy}", source_lang="en"), -1.0)
            for length in range(1, 30)
            for copy in range(2)
        ]
        mixed = with_shuffled_sources(rated, seed=0)
        assert [row.candidate.hypothesis for row in mixed] == [
            r.candidate.hypothesis for r in rated
        ]
        for own, other in zip(rated, mixed, strict=True):
            assert own.candidate.source != other.candidate.source
        assert {row.candidate.source for row in mixed} == {row.candidate.source for row in rated}
        near = [
            len(o.candidate.source) - len(m.candidate.source)
            for o, m in zip(rated, mixed, strict=True)
        ]
        assert sum(abs(gap) <= 1 for gap in near) >= len(near) - 1  # the longest gets the shortest

    def test_rows_of_one_source_stay_together(self):
        rated = [Rated(Candidate(source, text), -1.0) for source in "ab" for text in "xyz"]
        mixed = with_shuffled_sources(rated, seed=0)
        assert [row.candidate.source for row in mixed] == list("bbbaaa")
