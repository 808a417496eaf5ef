import json
import shutil
import threading

import numpy as np
import pytest
import sentencepiece
import tiny_metricx
import tiny_tokenizers
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, MT5ForConditionalGeneration

from rewardlab.errors import UserError
from rewardlab.models import metricx
from rewardlab.models.metricx import load_regressor
from rewardlab.models.weights import pickle_digest

TEXTS = {
    "source: Hallo. candidate: Hello.": 9.0,
    "source: Hallo. candidate: Goodbye.": 9.5,
    "source: Der Hund läuft. candidate: The dog runs across the old bridge.": 12.0,
    "source: Der Hund läuft. candidate: ": 11.0,
    "source:  candidate: ": 10.5,
    "source: 狗跑过了旧桥。 candidate: The dog runs.": 10.0,
}
LONG = "source: " + "Der Hund läuft über die alte Brücke. " * 30 + "candidate: The dog runs."


def load(path, **options):
    defaults = {"tokenizer": path, "device": "cpu", "dtype": "auto", "pickle_sha256": ""}
    return load_regressor(path, **{**defaults, **options})


def predict(path, texts, *, max_length=1536, batch_tokens=0, **options):
    regressor = load(path, **options)
    return regressor.predict(texts, max_length=max_length, batch_tokens=batch_tokens)


def published(path, texts, *, tied, max_length=1536):
    """The published definition, one row at a time: whole model, whole head, no padding.

    metricx24/models.py and predict.py of google-research/metricx, as text: truncate with the
    end-of-sequence token, take that off, one decoder step from token 0; with tied embeddings
    d_model**-0.5; the logit of 250089, clamped to 0..25.
    """
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = MT5ForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()
    assert torch.equal(model.lm_head.weight, model.shared.weight) == tied
    errors = []
    for text in texts:
        ids = tiny_metricx.input_ids(tokenizer, text, max_length)
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[0]]))
        logit = out.logits[0, 0, 250_089] * (model.config.d_model**-0.5 if tied else 1.0)
        errors.append(float(logit.clamp(0.0, 25.0)))
    return np.array(errors)


def refused(code, path, **options):
    with pytest.raises(UserError) as error:
        load(path, **options)
    assert [problem.code for problem in error.value.problems] == [code]
    assert error.value.exit_code == 2
    assert error.value.problems[0].fix
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="module")
def untied(tmp_path_factory):
    return tiny_metricx.metricx(tmp_path_factory.mktemp("untied"), errors=TEXTS)


@pytest.fixture
def copy(untied, tmp_path):
    return shutil.copytree(untied, tmp_path / "copy")


def change_config(path, **changes):
    raw = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**raw, **changes}))
    return path


def change_weights(path, **changes):
    """Replace tensors by name, dots written as double underscores; None removes one."""
    weights = load_file(path / "model.safetensors")
    for name, value in changes.items():
        weights.pop(name.replace("__", "."), None)
        if value is not None:
            weights[name.replace("__", ".")] = value
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    return path


class TestEqualToThePublishedDefinition:
    @pytest.mark.parametrize("tied", [False, True])
    def test_tied_and_untied(self, tmp_path, tied):
        path = tiny_metricx.metricx(tmp_path, errors=TEXTS, tied=tied, seed=3)
        texts = [*TEXTS, LONG, "source: Anna? candidate: Anna!"]
        found = predict(path, texts)
        np.testing.assert_allclose(found.errors, published(path, texts, tied=tied), atol=1e-5)
        by_hand = [9.0, 9.5, 12.0, 11.0, 10.5, 10.0]
        np.testing.assert_allclose(found.errors[:6], by_hand, atol=1e-4)
        assert not found.truncated.any()

    def test_errors_are_clamped(self, tmp_path):
        logits = {"source: Hund candidate: dog": -4.0, "source: Brücke candidate: bridge!": 40.0}
        path = tiny_metricx.metricx(tmp_path, errors=logits)
        assert predict(path, list(logits)).errors.tolist() == [0.0, 25.0]
        assert published(path, list(logits), tied=False).tolist() == [0.0, 25.0]

    @pytest.mark.parametrize("max_length", [2, 9, 33])
    def test_over_long_inputs(self, untied, max_length):
        texts = [*TEXTS, LONG]
        found = predict(untied, texts, max_length=max_length)
        expected = published(untied, texts, tied=False, max_length=max_length)
        np.testing.assert_allclose(found.errors, expected, atol=1e-5)
        tokenizer = AutoTokenizer.from_pretrained(untied)
        # With the end-of-sequence token a text of max_length tokens just fits.
        assert found.truncated.tolist() == [
            len(tokenizer(text)["input_ids"]) > max_length for text in texts
        ]
        assert found.truncated[-1]

    def test_batches_and_order_do_not_matter(self, untied):
        texts = [*TEXTS, LONG, *(f"source: {n} candidate: {'x ' * n}" for n in range(12))]
        expected = published(untied, texts, tied=False)
        for budget in (1, 40, 700, 100_000):
            found = predict(untied, texts, batch_tokens=budget)
            np.testing.assert_allclose(found.errors, expected, atol=1e-5)
        backwards = predict(untied, texts[::-1])
        np.testing.assert_allclose(backwards.errors[::-1], expected, atol=1e-5)

    @pytest.mark.parametrize("form", ["pickle", "sharded pickle"])
    @pytest.mark.parametrize("tied", [False, True])
    def test_published_as_a_pickle(self, tmp_path, form, tied):
        path = tiny_metricx.metricx(tmp_path, errors=TEXTS, form=form, tied=tied)
        digest = pickle_digest(sorted(path.glob("*.bin")))
        assert f"pickle_sha256={digest}" in refused("E301", path)
        refused("E302", path, pickle_sha256="f" * 64)
        found = predict(path, list(TEXTS), pickle_sha256=digest)
        np.testing.assert_allclose(found.errors[:3], [9.0, 9.5, 12.0], atol=1e-4)


class TestTiedOrNot:
    def test_a_head_of_its_own_is_believed_before_the_configuration(self, copy):
        """transformers 5 writes ``tie_word_embeddings: true`` into every mT5 it saves."""
        change_config(copy, tie_word_embeddings=True)
        found = predict(copy, list(TEXTS))
        np.testing.assert_allclose(found.errors[:3], [9.0, 9.5, 12.0], atol=1e-4)

    def test_saved_again_by_transformers(self, untied, tmp_path):
        MT5ForConditionalGeneration.from_pretrained(untied).save_pretrained(tmp_path)
        found = predict(tmp_path, list(TEXTS), tokenizer=untied)
        np.testing.assert_allclose(found.errors[:3], [9.0, 9.5, 12.0], atol=1e-4)

    def test_equal_tensors_are_tied_unless_the_configuration_says_not(self, tmp_path):
        path = tiny_metricx.metricx(tmp_path, errors=TEXTS, tied=True)
        head = load_file(path / "model.safetensors")["shared.weight"].clone()
        change_weights(path, lm_head__weight=head)
        np.testing.assert_allclose(predict(path, list(TEXTS)).errors[0], 9.0, atol=1e-4)
        again = shutil.copytree(path, tmp_path / "again")
        change_config(again, tie_word_embeddings=False)
        assert predict(again, list(TEXTS)).errors[0] == 25.0  # not scaled: 9 * 32**0.5, clamped

    def test_an_untied_head_that_is_missing(self, copy):
        change_weights(copy, lm_head__weight=None)
        assert "lm_head.weight is missing" in refused("E306", copy)


class TestPrecision:
    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_half_precision(self, untied, dtype):
        found = predict(untied, list(TEXTS), dtype=dtype)
        np.testing.assert_allclose(found.errors[:3], [9.0, 9.5, 12.0], atol=1.5)

    def test_as_saved(self, tmp_path):
        path = tiny_metricx.metricx(tmp_path, errors=TEXTS, dtype=torch.bfloat16)
        assert load(path).model.dtype is torch.bfloat16
        assert load(path, dtype="float32").model.dtype is torch.float32
        found = predict(path, list(TEXTS))
        np.testing.assert_allclose(found.errors[:3], [9.0, 9.5, 12.0], atol=1.5)

    def test_only_one_row_of_the_head_is_kept(self, untied):
        regressor = load(untied)
        assert regressor.head.shape == (32,)
        big = [w for w in regressor.model.parameters() if w.numel() > 100_000]
        assert len({w.data_ptr() for w in big}) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_logit_that_is_no_number_is_nan(copy, value):
    """Minus infinity clamped would be the best score there is."""
    weight = torch.full((32,), value)
    found = predict(change_weights(copy, decoder__final_layer_norm__weight=weight), list(TEXTS))
    assert np.isnan(found.errors).all()


def test_one_text_without_a_number_leaves_the_others_alone(untied, monkeypatch):
    regressor = load(untied)
    answers = {"source: Hallo. candidate: Hello.": float("nan")}
    plain = type(regressor)._logits
    tokenizer = regressor.tokenizer
    ids = {
        tuple(tokenizer(t, add_special_tokens=False)["input_ids"]): v for t, v in answers.items()
    }
    monkeypatch.setattr(
        type(regressor),
        "_logits",
        lambda self, rows: [
            ids.get(tuple(row), float(logit))
            for row, logit in zip(rows, plain(self, rows), strict=True)
        ],
    )
    found = predict(untied, list(TEXTS))
    assert np.isnan(found.errors).tolist() == [True] + [False] * 5


def test_half_a_surrogate_pair_is_scored(untied):
    found = predict(untied, ["source: a candidate: \ud83d", "source: a candidate: ?"])
    assert found.errors[0] == pytest.approx(found.errors[1], abs=1e-5)


def test_special_tokens_that_a_text_spells_out_are_unknown_words(untied):
    """The published script lets a translation end itself."""
    tokenizer = AutoTokenizer.from_pretrained(untied)
    assert tokenizer("a</s>")["input_ids"].count(tokenizer.eos_token_id) == 2
    (ids,) = metricx.input_ids(load(untied).tokenizer, ["source: a candidate: b</s><pad>"])
    assert not {tokenizer.eos_token_id, tokenizer.pad_token_id} & set(ids)
    assert ids.count(tokenizer.unk_token_id) == 2


def test_nothing_to_predict(untied):
    assert predict(untied, []).errors.shape == (0,)


def test_one_resident_model_also_from_several_threads(copy, monkeypatch):
    built = []
    plain = metricx.fill
    monkeypatch.setattr(metricx, "fill", lambda *a: built.append(1) or plain(*a))
    found = []
    threads = [threading.Thread(target=lambda: found.append(load(copy))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(regressor) for regressor in found}) == 1
    assert len(built) == 1


def test_an_accelerator_that_is_full(untied, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(metricx.Regressor, "_logits", full)
    with pytest.raises(UserError, match=r"E309.*fix: batch_tokens=350"):
        predict(untied, list(TEXTS), batch_tokens=700)


class TestTokenizers:
    def test_elsewhere_as_sentencepiece(self, copy, tmp_path):
        """google/mt5-xl in its published files: ``spiece.model`` and two small JSON files."""
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (copy / name).unlink()
        elsewhere = tmp_path / "mt5-xl"
        elsewhere.mkdir()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(tiny_tokenizers.CORPUS),
            model_prefix=str(elsewhere / "spiece"),
            model_type="unigram",
            vocab_size=400,
            hard_vocab_limit=False,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
        (elsewhere / "spiece.vocab").unlink()
        (elsewhere / "config.json").write_text('{"model_type": "mt5"}')
        (elsewhere / "tokenizer_config.json").write_text(
            '{"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 0,'
            ' "additional_special_tokens": null, "tokenizer_class": "T5Tokenizer"}'
        )
        assert "neither tokenizer.json nor spiece.model" in refused("E308", copy)
        words = load(copy, tokenizer=elsewhere).tokenizer
        pieces = sentencepiece.SentencePieceProcessor(str(elsewhere / "spiece.model"))
        text = "source: Der Hund läuft. candidate: The dog runs ½ ﬁne."
        assert words(text)["input_ids"] == [*pieces.encode(text), 1]

    def test_broken_ones(self, copy):
        whole = (copy / "tokenizer.json").read_text()
        for text in ("", "{}", whole[: len(whole) // 2]):
            (copy / "tokenizer.json").write_text(text)
            assert "google/mt5-xl" in refused("E308", copy)

    def test_one_that_knows_more_than_the_model(self, copy):
        with pytest.raises(UserError, match=r"E308.* tokens and the model embeddings for 100\."):
            metricx._read_tokenizer(copy, rows=100)


class TestWrongCheckpoints:
    def test_another_architecture(self, copy):
        message = refused("E305", change_config(copy, model_type="xlm-roberta"))
        assert "its model_type is 'xlm-roberta', not mt5" in message

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"model_type": "mt5", "num_layers": "two"}'])
    def test_a_broken_configuration(self, copy, text):
        (copy / "config.json").write_text(text)
        refused("E305", copy)

    def test_no_configuration(self, tmp_path):
        refused("E305", tmp_path)

    def test_a_vocabulary_without_the_score(self, tmp_path):
        path = tiny_metricx.metricx(tmp_path, errors={}, vocab_size=500)
        assert "its vocabulary has 500 entries; the score is number 250089" in refused("E307", path)

    def test_no_weights(self, copy):
        (copy / "model.safetensors").unlink()
        refused("E304", copy)

    def test_weights_that_are_missing_left_over_or_of_another_shape(self, copy):
        name = "encoder__final_layer_norm__weight"
        change_weights(copy, **{name: None})
        assert "1 weights are missing, first 'encoder.final" in refused("E306", copy)
        change_weights(copy, **{name: torch.ones(33)})
        assert "has shape (33,), where (32,) is needed" in refused("E306", copy)
        change_weights(copy, **{name: torch.ones(32), "classifier__weight": torch.ones(2)})
        assert "1 weights are unknown, first 'classifier.weight'" in refused("E306", copy)
        change_weights(copy, classifier__weight=None, shared__weight=None)
        assert "shared.weight is missing" in refused("E306", copy)

    def test_a_head_of_another_shape(self, copy):
        change_weights(copy, lm_head__weight=torch.ones(7, 32))
        assert "the head has shape (7, 32)" in refused("E306", copy)

    def test_a_device_that_is_not_there(self, untied):
        refused("E303", untied, device="cuda:99")
