import gold_scores
import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.preflight.honest_texts import honest_of_gold, honest_of_texts

NAN = float("nan")


def refused(call):
    with pytest.raises(UserError) as caught:
        call()
    assert caught.value.exit_code == 3
    return [problem.code for problem in caught.value.problems]


def test_real_systems_beside_the_text_of_another_human():
    found = honest_of_gold(gold_scores.gold(), reference_system="refA")
    assert found.gold.systems == ("A", "B", "C")
    assert {case.honest.reference for case in found.cases} == {"ein Hund", "zwei Katzen."}
    assert len(found.cases) == 6
    assert found.equal == 1  # system A's "ein Hund"
    first = found.cases[0]
    assert (first.honest.hypothesis, first.other) == ("ein Hund", "zwei Katzen")
    assert (first.honest.source_lang, first.honest.target_lang) == ("en", "de")


def test_human_translations_are_left_out_without_references_as_well():
    found = honest_of_gold(gold_scores.gold(), reference_system=None)
    assert found.gold.systems == ("A", "B", "C")
    assert {case.honest.reference for case in found.cases} == {None}


def test_scores_go_back_into_their_cells():
    found = honest_of_gold(gold_scores.gold(), reference_system="refA", exclude=["B"])
    values = found.matrix(np.array([1.0, 2.0, 3.0, 4.0]))
    assert values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert found.gold.values.tolist() == [[-1.0, 0.0], [-6.0, -1.0]]


def test_languages_of_the_caller_win():
    found = honest_of_gold(gold_scores.gold(), reference_system="refA", target_lang="nl")
    assert found.cases[0].honest.target_lang == "nl"


@pytest.mark.parametrize("changes", [{"hypotheses": {}}, {"sources": None}])
def test_scores_without_texts(changes):
    gold = gold_scores.gold(**changes)
    assert refused(lambda: honest_of_gold(gold, reference_system="refA")) == ["E242"]


def test_unknown_systems_and_too_few():
    gold = gold_scores.gold()
    assert refused(lambda: honest_of_gold(gold, reference_system="refB")) == ["E250"]
    assert refused(lambda: honest_of_gold(gold, reference_system="refA", exclude=["X"])) == ["E250"]
    exclude = ["A", "B"]
    assert refused(lambda: honest_of_gold(gold, reference_system="refA", exclude=exclude)) == [
        "E251"
    ]


def of_texts(sources, texts, references=None, **others):
    translations = {"hypothesis": texts, **others}
    return honest_of_texts(sources, translations, references, source_lang="en", target_lang="de")


def test_line_aligned_texts():
    found = of_texts(["a", "b", "c"], ["x", "y", ""], ["r", "s", "t"], other=["u", "v", "w"])
    assert [(case.honest.hypothesis, case.honest.reference) for case in found.cases] == [
        ("x", "r"), ("y", "s"), ("u", "r"), ("v", "s"), ("w", "t"),
    ]  # fmt: skip
    assert (found.left_out, found.equal) == (1, 0)
    assert np.isnan(found.gold.values).all()
    values = found.matrix(np.arange(5.0))
    assert np.array_equal(values, [[0.0, 1.0, NAN], [2.0, 3.0, 4.0]], equal_nan=True)


def test_without_references():
    assert of_texts(["a", "b"], ["x", "y"]).cases[0].honest.reference is None


def test_the_reference_is_no_honest_text():
    assert refused(lambda: of_texts(["a", "b", "c"], ["x", "y", "z"], ["x", "y", "w"])) == ["E241"]


def test_one_of_several_systems_may_not_be_the_reference_either():
    references = ["r", "s", "t"]
    assert refused(
        lambda: of_texts(["a", "b", "c"], ["x", "y", "z"], references, two=references)
    ) == ["E241"]


def test_a_text_without_its_reference_is_left_out():
    found = of_texts(["a", "b", "c"], ["x", "y", "z"], ["r", " ", "t"])
    assert [case.honest.hypothesis for case in found.cases] == ["x", "z"]
    assert found.left_out == 1


@pytest.mark.parametrize("texts", [["x", "x"], ["", " "], ["x", ""]])
def test_nothing_to_attack(texts):
    assert refused(lambda: of_texts(["a", "b"], texts)) == ["E240"]
