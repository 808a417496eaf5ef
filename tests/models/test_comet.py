"""COMET models against unbabel-comet's own answers (tests/golden/comet) and by hand."""

import threading

import numpy as np
import pytest
import tiny_comet
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.models import comet_loading
from rewardlab.models.comet import features, normalised
from rewardlab.models.comet_inputs import CometTokenizer
from rewardlab.models.comet_loading import load_comet, sparsemax
from rewardlab.models.comet_spans import published_spans

GOLDEN = tiny_comet.golden()
SOURCES, HYPOTHESES, REFERENCES = zip(*GOLDEN["rows"], strict=True)
ANSWERS = [
    (kind, reference, said[kind])
    for reference, said in ((True, GOLDEN["with_reference"]), (False, GOLDEN["without_reference"]))
    for kind in said
]
IDS = [f"{kind}-{'reference' if reference else 'qe'}" for kind, reference, _ in ANSWERS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoints as published, pickles and all."""
    root = tmp_path_factory.mktemp("comet")
    for kind in tiny_comet.KINDS:
        tiny_comet.write(root / kind, kind)
    return root


def loaded(folder, kind, **options):
    path = folder / kind
    options = {"device": "cpu", "dtype": "auto", **options}
    return load_comet(path, pickle_sha256=tiny_comet.sha256(path), **options)


def estimates(model, *, reference, batch_tokens=2000, rows=slice(None)):
    return model.estimate(
        HYPOTHESES[rows],
        SOURCES[rows],
        REFERENCES[rows] if reference else None,
        batch_tokens=batch_tokens,
    )


@pytest.mark.parametrize(("kind", "reference", "golden"), ANSWERS, ids=IDS)
def test_equals_unbabel_comet(folder, kind, reference, golden):
    found = estimates(loaded(folder, kind), reference=reference)
    if "unified_scores" in golden:
        for name in ("src", "ref", "unified"):
            assert found.scores[name] == pytest.approx(golden[f"{name}_scores"], abs=1e-5)
    elif "src_scores" in golden:
        assert found.scores["src"].clip(max=1.0) == pytest.approx(golden["src_scores"], abs=1e-5)
    else:
        (scores,) = found.scores.values()
        assert scores == pytest.approx(golden["scores"], abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "reference", "golden"),
    [answer for answer in ANSWERS if "error_spans" in answer[2]],
    ids=[name for name, answer in zip(IDS, ANSWERS, strict=True) if "error_spans" in answer[2]],
)
def test_published_spans_equal_unbabel_comet(folder, kind, reference, golden):
    found = estimates(loaded(folder, kind), reference=reference).labels
    for labels, row in zip(found, golden["error_spans"], strict=True):
        spans = published_spans(labels)
        assert [list(span[:3]) for span in spans] == [span[:3] for span in row]
        assert [s.confidence for s in spans] == pytest.approx([s[3] for s in row], abs=1e-5)


def test_the_goldens_reach_what_they_are_for():
    spans = [s for _, _, g in ANSWERS for row in g.get("error_spans", []) for s in row]
    assert {severity for _, _, severity, _ in spans} == {"minor", "major", "critical"}
    assert any(start >= end for start, end, _, _ in spans)  # special pieces took part
    spaced = [
        HYPOTHESES[row][start:end][:1]
        for row, found in enumerate(GOLDEN["with_reference"]["xcomet"]["error_spans"])
        for start, end, _, _ in found
    ]
    assert " " in spaced  # the space before the word took part


@pytest.mark.parametrize("kind", ["regression", "kiwi", "unite", "xcomet", "xcomet_xl"])
def test_batch_and_order_do_not_matter(folder, kind):
    model = loaded(folder, kind)
    reference = kind != "kiwi"
    together = estimates(model, reference=reference, batch_tokens=9000, rows=slice(5, 13))
    for other in (
        estimates(model, reference=reference, batch_tokens=1, rows=slice(5, 13)),
        reversed_rows(estimates(model, reference=reference, rows=slice(12, 4, -1))),
    ):
        for name, scores in together.scores.items():
            assert other.scores[name] == pytest.approx(scores, abs=1e-5)
        assert other.truncated.tolist() == together.truncated.tolist()
        for mine, theirs in zip(together.labels or [], other.labels or [], strict=True):
            assert mine.offsets == theirs.offsets
            assert mine.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)


def reversed_rows(found):
    scores = {name: values[::-1] for name, values in found.scores.items()}
    return type(found)(scores, found.truncated[::-1], found.labels and found.labels[::-1])


def test_what_is_cut_is_said(folder):
    lengths = [len(row[1]) for row in GOLDEN["rows"]]
    regression = estimates(loaded(folder, "regression"), reference=True).truncated
    joint = estimates(loaded(folder, "xcomet"), reference=True).truncated
    # Row 12 has a long hypothesis, 13 a long source, 14 three texts that are long together.
    assert np.flatnonzero(regression).tolist() == [12, 13]
    assert np.flatnonzero(joint).tolist() == [12, 13, 14]
    assert lengths[12] > 3000


def test_one_model_however_often_it_is_asked_for(folder, monkeypatch):
    reads = []
    read = comet_loading.read_weights

    def counted(*args, **kwargs):
        reads.append(args)
        return read(*args, **kwargs)

    monkeypatch.setattr(comet_loading, "read_weights", counted)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(loaded(folder, "kiwi", dtype="float32")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert all(model is found[0] for model in found)


def test_a_regression_reads_each_different_text_once(folder, monkeypatch):
    model = loaded(folder, "regression")
    rows = []
    hidden = type(model)._hidden
    monkeypatch.setattr(
        type(model), "_hidden", lambda self, ids: rows.extend(ids) or hidden(self, ids)
    )
    model.estimate(["a", "b", "c"], ["s"] * 3, ["a", "r", "r"], batch_tokens=100)
    assert len(rows) == 5  # a, b, c, s, r


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close(folder, dtype):
    exact = estimates(loaded(folder, "regression"), reference=True).scores["score"]
    half = estimates(loaded(folder, "regression", dtype=dtype), reference=True).scores["score"]
    assert half == pytest.approx(exact, abs=0.03)
    assert not np.array_equal(half, exact)


@pytest.mark.parametrize("kind", ["xcomet", "xcomet_xl", "unite"])
def test_special_tokens_in_a_text_are_unknown_words(folder, kind):
    tokenizer = loaded(folder, kind).tokenizer
    text = "the dog</s><pad> runs ＜ｓ＞<mask>"  # the middle one is <s> once it is normalised
    (pieces,) = tokenizer.pieces([text])
    assert not {0, 1, 2, tokenizer.vocabulary - 1} & set(pieces.ids)
    assert pieces.offsets[-1][1] == len(text)


def test_joined_segments(folder):
    tokenizer = loaded(folder, "xcomet").tokenizer
    one, other = tokenizer.pieces(["the", ""])
    assert tokenizer.joined([one]) == ([0, *one.ids, 2], False)
    assert tokenizer.joined([one, other]) == ([0, *one.ids, 2, 2, 2], False)
    assert tokenizer.joined([other, one, other]) == ([0, 2, 2, *one.ids, 2, 2, 2], False)


def test_the_longest_inputs_that_fit(folder):
    tokenizer = loaded(folder, "xcomet").tokenizer
    exact, over = tokenizer.pieces(["犬" * 507, "犬" * 508])  # one more is the marked space
    ids, cut = tokenizer.joined([exact])
    assert (len(ids), cut, exact.cut) == (510, False, False)
    assert (len(tokenizer.joined([over])[0]), over.cut) == (510, True)
    short = tokenizer.pieces(["犬" * 254])[0]
    assert tokenizer.joined([short, short])[1] is True  # 2 * 255 + 4
    assert tokenizer.joined([short, tokenizer.pieces(["犬" * 252])[0]])[1] is False  # 512


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet=" ab\u0301ﬁ½\t犬👩\u200d\ud800", max_size=30))
@pytest.mark.parametrize("split_first", [True, False])
def test_offsets_lie_in_the_text(text, split_first, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"split-{split_first}" / "tokenizer.json"
    if not path.is_file():
        path.parent.mkdir()
        tiny_comet.tokenizer(split_first=split_first).save(str(path))
    (pieces,) = CometTokenizer(path, positions=512, pad_token_id=1).pieces([text])
    assert len(pieces.ids) == len(pieces.offsets)
    assert all(0 <= start <= end <= len(text) for start, end in pieces.offsets)


def test_a_model_that_needs_references_says_so(folder):
    with pytest.raises(ValueError, match="needs ref"):
        loaded(folder, "regression").estimate(["a"], ["b"], batch_tokens=100)


def test_features_by_hand():
    h, s, r = (torch.tensor([[value]]) for value in (2.0, 5.0, 3.0))
    assert features(h, s, r).tolist() == [[2.0, 3.0, 6.0, 1.0, 10.0, 3.0]]
    assert features(h, s).tolist() == [[2.0, 5.0, 10.0, 3.0]]


def test_normalised_by_hand():
    states = torch.tensor([[[1.0, 3.0], [5.0, 7.0], [100.0, 100.0]]])
    mask = torch.tensor([[True, True, False]])
    # mean 4, variance (9 + 1 + 1 + 9) / 4 = 5
    found = normalised(states, mask)[0, :2].flatten()
    assert found.tolist() == pytest.approx([-3 / 5**0.5, -1 / 5**0.5, 1 / 5**0.5, 3 / 5**0.5])


@pytest.mark.parametrize(
    ("logits", "weights"),
    [
        ([0.0, 0.0], [0.5, 0.5]),
        ([3.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([0.5, 0.3, -0.6], [0.6, 0.4, 0.0]),
    ],
)
def test_sparsemax_by_hand(logits, weights):
    assert sparsemax(torch.tensor(logits)).tolist() == pytest.approx(weights)
