"""The three rewards against unbabel-comet's scores (tests/golden/comet) and by hand."""

import math

import numpy as np
import pytest
import tiny_comet
from safetensors.torch import load_file, save_file

from rewardlab.errors import UserError
from rewardlab.models import comet_loading
from rewardlab.models.comet import Estimates
from rewardlab.models.comet_spans import PieceLabels
from rewardlab.rewards import Comet, CometKiwi, XComet
from rewardlab.rewards.comet import at_most_one, xcomet_score
from rewardlab.rewards.registry import parse_reward
from rewardlab.types import XCOMET, Candidate, Status, family_of

GOLDEN = tiny_comet.golden()
CANDIDATES = [Candidate(*row) for row in GOLDEN["rows"]]
PUBLISHED = {"spans": "published"}
SIX = [
    (Comet, "regression", {}, "with_reference"),
    (Comet, "regression_norm", {}, "with_reference"),
    (Comet, "regression_layer", {}, "with_reference"),
    (Comet, "unite", {}, "with_reference"),
    (CometKiwi, "referenceless", {}, "without_reference"),
    (CometKiwi, "referenceless_cls", {}, "without_reference"),
    (CometKiwi, "kiwi", {}, "without_reference"),
    (CometKiwi, "unite", {}, "without_reference"),
    (XComet, "xcomet", {"mode": "reference", **PUBLISHED}, "with_reference"),
    (XComet, "xcomet", {"mode": "qe", **PUBLISHED}, "without_reference"),
    (XComet, "xcomet_xl", {"mode": "reference", **PUBLISHED}, "with_reference"),
    (XComet, "xcomet_xl", {"mode": "qe", **PUBLISHED}, "without_reference"),
]


def tiny(kind):
    return tiny_comet.for_the_contract(kind)


@pytest.mark.parametrize(("reward", "kind", "options", "how"), SIX)
def test_scores_equal_unbabel_comet(reward, kind, options, how):
    output = reward(model=tiny(kind), device="cpu", **options)(CANDIDATES)
    golden = GOLDEN[how][kind]
    assert output.scores == pytest.approx(golden["scores"], abs=1e-5)
    assert set(output.status) == {Status.OK}
    if "mqm_scores" in golden:
        assert output.components["mqm"] == pytest.approx(golden["mqm_scores"], abs=1e-6)
        for mine, theirs, lost in zip(
            output.spans, golden["error_spans"], output.components["unplaced"], strict=True
        ):
            placed = [(s, e, severity) for s, e, severity, _ in theirs if s < e]
            assert [(s.start, s.end, s.severity) for s in mine] == placed
            assert lost == len(theirs) - len(placed)


def test_fixed_spans_lie_on_words_and_their_score_follows():
    fixed = XComet(model=tiny("xcomet"))(CANDIDATES)
    published = XComet(model=tiny("xcomet"), spans="published")(CANDIDATES)
    assert not fixed.components["unplaced"].any()
    assert all(text == text.strip() for text in texts_of(fixed) if not text.isspace())
    assert any(text != text.strip() for text in texts_of(published) if not text.isspace())
    for row, spans in enumerate(fixed.spans):
        mqm = (25.0 - XCOMET.total(spans)) / 25.0
        src = fixed.components["src"][row]
        assert fixed.scores[row] == pytest.approx(0.78 * src + 0.22 * mqm)
    assert np.array_equal(fixed.components["src"], published.components["src"])


def test_the_traps_of_published_spans_change_scores():
    fixed = XComet(model=tiny("xcomet_xl"))(CANDIDATES)
    published = XComet(model=tiny("xcomet_xl"), spans="published")(CANDIDATES)
    assert (fixed.components["mqm"] != published.components["mqm"]).any()
    assert not fixed.components["unplaced"].any()
    assert published.components["unplaced"].any()


def texts_of(output):
    rows = zip(CANDIDATES, output.spans, strict=True)
    return [c.hypothesis[s.start : s.end] for c, row in rows for s in row]


@pytest.mark.parametrize(
    ("reward", "kind", "other"),
    [
        (Comet, "referenceless", "comet_kiwi"),
        (Comet, "kiwi", "comet_kiwi"),
        (Comet, "xcomet", "xcomet"),
        (CometKiwi, "regression", "comet"),
        (CometKiwi, "xcomet", "xcomet"),
        (XComet, "unite", "comet"),
    ],
)
def test_a_model_of_another_kind_names_the_reward_for_it(reward, kind, other):
    with pytest.raises(UserError, match=r"error\[E322\]") as error:
        reward(model=tiny(kind))(CANDIDATES[:1])
    assert f"reward {other}" in str(error.value)


@pytest.mark.parametrize(
    ("reward", "kind", "options"),
    [(Comet, "regression", {}), (XComet, "xcomet", {"mode": "reference"})],
)
def test_a_missing_reference_is_not_applicable(reward, kind, options):
    made = reward(model=tiny(kind), **options)
    rows = [CANDIDATES[0], Candidate("Hund", "dog"), CANDIDATES[1]]
    output = made(rows)
    assert output.status == [Status.OK, Status.NOT_APPLICABLE, Status.OK]
    alone = made([CANDIDATES[0], CANDIDATES[1]])
    assert output.scores[[0, 2]] == pytest.approx(alone.scores, abs=1e-6)
    for name, values in output.components.items():
        assert len(values) == 3
        assert values[[0, 2]] == pytest.approx(alone.components[name], abs=1e-6)
    assert made([Candidate("Hund", "dog")]).status == [Status.NOT_APPLICABLE]


def test_the_readings_of_a_unified_model_are_components():
    output = Comet(model=tiny("unite"))(CANDIDATES)
    golden = GOLDEN["with_reference"]["unite"]
    for name in ("src", "ref", "unified"):
        assert output.components[name] == pytest.approx(golden[f"{name}_scores"], abs=1e-5)


def test_truncation_is_counted():
    output = Comet(model=tiny("regression"))(CANDIDATES)
    assert np.flatnonzero(output.components["truncated"]).tolist() == [12, 13]


@pytest.mark.parametrize(
    ("reward", "kind"), [(Comet, "regression"), (CometKiwi, "kiwi"), (XComet, "xcomet")]
)
def test_nan_is_the_fault_of_its_row_alone(reward, kind, tmp_path):
    path = tiny_comet.write_safetensors(tmp_path / "model", kind)
    tensors = load_file(path / "model.safetensors")
    piece = tiny_comet.tokenizer(split_first=False).token_to_id("犬")
    tensors["encoder.model.embeddings.word_embeddings.weight"][piece] = math.nan
    save_file(tensors, path / "model.safetensors")
    rows = [CANDIDATES[0], Candidate("dog", "犬", "dog"), CANDIDATES[1]]
    output = reward(model=path)(rows)
    assert output.status == [Status.OK, Status.NON_FINITE, Status.OK]
    whole = reward(model=tiny(kind))([rows[0], rows[2]])
    assert output.scores[[0, 2]] == pytest.approx(whole.scores, abs=1e-6)
    if output.spans is not None:
        assert output.spans[1] == []


def test_labels_that_are_no_numbers_are_not_perfect():
    labels = PieceLabels(np.full((3, 4), math.nan, dtype=np.float32), [(0, 0), (0, 1), (0, 0)])
    estimates = Estimates({"src": np.array([0.9])}, np.array([False]), [labels])
    output = XComet(model=tiny("xcomet")).combined(estimates, ["a"])
    assert output.status == [Status.NON_FINITE]
    assert output.spans == [[]]


def test_infinity_is_not_perfect():
    assert at_most_one(np.array([math.inf, -math.inf, 2.0])).tolist()[2] == 1.0
    assert np.isnan(at_most_one(np.array([math.inf, -math.inf]))).all()


def test_the_score_by_hand():
    readings = {"src": np.array([0.5]), "ref": np.array([0.8]), "unified": np.array([1.0])}
    # 0.06 + 0.264 + 0.33 + 0.22 * 0.6
    assert xcomet_score(readings, np.array([0.6])) == pytest.approx([0.786])
    assert xcomet_score({"src": np.array([0.5])}, np.array([0.6])) == pytest.approx([0.522])


def test_a_second_call_costs_no_set_up(monkeypatch):
    reward = XComet(model=tiny("xcomet"))
    reward(CANDIDATES[:1])
    monkeypatch.setattr(comet_loading, "read_weights", None)
    monkeypatch.setattr(comet_loading, "build_encoder", None)
    reward(CANDIDATES[:1])
    XComet(model=tiny("xcomet"), name="other", spans="published")(CANDIDATES[:1])


def test_the_signature_is_of_the_weights(tmp_path):
    one = tiny_comet.write_safetensors(tmp_path / "one", "kiwi")
    two = tiny_comet.write_safetensors(tmp_path / "two", "kiwi")
    other = tiny_comet.write_safetensors(tmp_path / "other", "kiwi", seed=3)
    digests = [CometKiwi(model=path).signature.split("|")[-2] for path in (one, two, other)]
    assert digests[0] == digests[1] != digests[2]
    assert digests[0].startswith("weights:")
    with pytest.raises(UserError, match="E320"):
        _ = CometKiwi(model=tmp_path / "nowhere").signature


def test_built_from_text():
    reward = parse_reward(f"xcomet:model={tiny('xcomet')},mode=reference,worst=-0.5")
    assert reward == XComet(model=tiny("xcomet"), mode="reference", worst=-0.5)
    assert family_of(reward) == family_of(Comet(model=tiny("regression"))) == "comet"
    with pytest.raises(UserError, match="E103"):
        parse_reward("comet")


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "auto"},
        {"spans": "both"},
        {"dtype": "int8"},
        {"batch_tokens": 0},
        {"worst": -math.inf},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        XComet(model=tiny("xcomet"), **options)
