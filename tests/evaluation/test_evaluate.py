import json

import pytest

from rewardlab.data.rows import Row
from rewardlab.evaluation.evaluate import System, direction_of, evaluate, quality
from rewardlab.evaluation.metrics import Metric
from rewardlab.rewards import ChrF, ExactMatch, NumbersKept, TargetScript
from rewardlab.store.lineage import TrainedOn

ROWS = [
    Row("1", "hund", "dog", "da", "en"),
    Row("2", "kat 2", "cat 2", "da", "en"),
    Row("3", "dog", "hund", "en", "da"),
]
COPY = System("copy", [row.source for row in ROWS], known=True)
RIGHT = System("right", [row.reference for row in ROWS], known=True)
HALF = System("half", ["dog", " ", ""])


def test_quality_by_hand():
    found = quality(["a b", "a x c d"], ["a b", "a b c d"])
    assert found.exact_match == 50.0
    assert found.ter == pytest.approx(100 / 6)  # one edit in six reference words
    with pytest.raises(ValueError, match="1 hypotheses and 2 references"):
        quality(["a"], ["a", "b"])


def test_every_direction_and_their_mean():
    found = evaluate(ROWS, [COPY, HALF], [Metric(ExactMatch())], baseline="copy")
    assert found.rows == {"da-en": 2, "en-da": 1}
    scores = {place: by["exact_match"]["half"] for place, by in found.scores.items()}
    assert {place: score.value for place, score in scores.items()} == {
        "da-en": 0.5, "en-da": 0.0, "macro": 0.25,
    }  # fmt: skip
    assert scores["da-en"].difference.value == 0.5
    assert scores["en-da"].interval is None, "one row cannot be resampled"
    assert scores["macro"].difference.p is None
    assert "bs:1000|seed:12345" in found.signatures["exact_match"]["da-en"]


def test_what_the_texts_look_like():
    texts = evaluate(ROWS, [COPY, HALF], [Metric(ExactMatch())]).texts
    assert texts["da-en"]["copy"].copy_rate == 1.0
    assert texts["da-en"]["copy"].length_ratio == 9 / 8
    assert texts["da-en"]["half"].empty_rate == 0.5
    assert texts["macro"]["half"].empty_rate == 0.75
    assert texts["macro"]["half"].rows == 3


def test_unscored_rows_are_counted_and_are_no_zeros():
    metrics = [Metric(NumbersKept()), Metric(TargetScript())]
    rows = [*ROWS, Row("4", "x", "y", "br", "br")]
    system = System("copy", [row.source for row in rows])
    found = evaluate(rows, [system], metrics).scores
    nothing = found["br-br"]["target_script"]["copy"]
    assert (nothing.scored, nothing.unscored) == (0, 1)
    assert json.loads(json.dumps(evaluate(rows, [system], metrics).as_json(), allow_nan=False))[
        "scores"
    ]["br-br"]["target_script"]["copy"] == {
        "value": None, "interval": None, "scored": 0, "unscored": 1,
        "difference": None, "spread": None,
    }  # fmt: skip


def test_identical_systems_do_not_differ():
    again = System("again", RIGHT.hypotheses)
    metrics = [Metric(ChrF()), Metric(ExactMatch())]
    scores = evaluate(ROWS, [RIGHT, again], metrics, baseline="right").scores
    for name in ("chrf", "exact_match"):
        difference = scores["da-en"][name]["again"].difference
        assert (difference.value, difference.p) == (0.0, 1.0)
        assert (difference.interval.low, difference.interval.high) == (0.0, 0.0)


def test_a_group_is_as_close_to_a_metric_as_its_closest_member():
    trained = (TrainedOn("bleu", "ngram_overlap", weight=1.0),)
    systems = [
        System("rl-1", COPY.hypotheses, group="rl", trained=trained, known=True),
        System("rl-2", COPY.hypotheses, group="rl"),
        RIGHT,
    ]
    found = evaluate(ROWS, systems, [Metric(ChrF()), Metric(ExactMatch())])
    assert found.groups == {"rl": ("rl-1", "rl-2")}
    assert found.relations["rl"] == {"chrf": "related", "exact_match": "unknown"}
    assert found.relations["right"]["chrf"] == "independent"


def test_what_cannot_be_evaluated():
    with pytest.raises(ValueError, match="short: 1 texts for 3 rows"):
        evaluate(ROWS, [System("short", ["a"])], [Metric(ChrF())])
    with pytest.raises(ValueError, match="the baseline 'sft' is none of copy"):
        evaluate(ROWS, [COPY], [Metric(ChrF())], baseline="sft")
    rows = [Row("7", "hund", None, "da", "en")]
    with pytest.raises(ValueError, match="chrf reads references, and row 7 has none"):
        evaluate(rows, [System("a", ["dog"])], [Metric(ChrF())])


@pytest.mark.parametrize(
    ("languages", "name"), [(("da", "nb"), "da-nb"), (("", "nb"), "nb"), (("", ""), "all")]
)
def test_a_direction_is_named_by_the_languages_that_are_known(languages, name):
    assert direction_of(Row("1", "a", "b", *languages)) == name
