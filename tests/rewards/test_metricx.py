import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest
import tiny_metricx
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, MT5ForConditionalGeneration

from rewardlab import Candidate, RewardEnsemble, Term
from rewardlab.config.checks import build_terms
from rewardlab.config.sections import RewardConfig
from rewardlab.errors import UserError
from rewardlab.rewards import MetricX
from rewardlab.rewards.registry import build_reward, parse_reward
from rewardlab.types import Status

ROWS = [
    Candidate("Der Hund läuft.", "The dog runs.", "The dog is running."),
    Candidate("Sie sagte nein.", "She said yes!", "She said no."),
    Candidate("Ja.", "", "Yes."),
    Candidate("", "The dog runs across the old bridge.", ""),
    Candidate("Brücke " * 60, "bridge " * 60, "bridges " * 60),
]
FORMATS = {
    ("24", "qe"): "source: {0.source} candidate: {0.hypothesis}",
    ("24", "reference"): ("source: {0.source} candidate: {0.hypothesis} reference: {0.reference}"),
    ("23", "qe"): "candidate: {0.hypothesis} source: {0.source}",
    ("23", "reference"): "candidate: {0.hypothesis} reference: {0.reference}",
}
KINDS = list(FORMATS)


def inputs(version, mode):
    return [FORMATS[version, mode].format(row) for row in ROWS]


ERRORS = dict(zip(inputs("24", "qe"), (9.0, 10.0, 11.0, 12.0, 13.0), strict=True))


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def checkpoint(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint")
    return tiny_metricx.metricx(path, errors=ERRORS, tied=request.param)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_metricx.metricx(tmp_path_factory.mktemp("model"), errors=ERRORS)


def published_errors(path, texts, *, max_length):
    """The published definition, one row at a time: whole model, whole head, no padding."""
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = MT5ForConditionalGeneration.from_pretrained(path).eval()
    tied = torch.equal(model.lm_head.weight, model.shared.weight)
    errors, cut = [], []
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=max_length)["input_ids"][:-1]
        cut.append(len(tokenizer(text)["input_ids"]) > max_length)
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[0]]))
        logit = out.logits[0, 0, 250_089] * (model.config.d_model**-0.5 if tied else 1.0)
        errors.append(float(logit.clamp(0.0, 25.0)))
    return np.array(errors), cut


@pytest.mark.parametrize("max_length", [0, 14])
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_equals_the_published_definition(checkpoint, kind, max_length):
    version, mode = kind
    reward = MetricX(model=checkpoint, version=version, mode=mode, max_length=max_length)
    output = reward(ROWS)
    longest = max_length or {"23": 1024, "24": 1536}[version]
    errors, cut = published_errors(checkpoint, inputs(version, mode), max_length=longest)
    np.testing.assert_allclose(output.scores, -errors, atol=1e-5)
    assert sum((errors > 0.0) & (errors < 25.0)) >= 3
    assert output.components["truncated"].tolist() == cut
    assert any(cut) == (max_length > 0)


def test_the_errors_that_the_checkpoint_was_made_for(checkpoint):
    scores = MetricX(model=checkpoint)(ROWS).scores
    np.testing.assert_allclose(scores, [-9.0, -10.0, -11.0, -12.0, -13.0], atol=1e-4)


@pytest.mark.parametrize(("version", "longest"), [("24", 1536), ("23", 1024)])
def test_the_default_length_is_that_of_training(model, version, longest):
    """The end-of-sequence token is counted, so one token less is read."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    reward = MetricX(model=model, version=version)
    one = len(tokenizer(reward.text(Candidate("", "x")))["input_ids"])
    assert len(tokenizer(reward.text(Candidate("", "x" * 9)))["input_ids"]) == one + 8
    just, over = (Candidate("", "x" * (longest - one + more)) for more in (1, 2))
    assert reward([just, over]).components["truncated"].tolist() == [0.0, 1.0]


def test_batch_size_and_order_do_not_matter(model):
    expected = MetricX(model=model)(ROWS).scores
    for batch_tokens in (1, 30, 10_000):
        scores = MetricX(model=model, batch_tokens=batch_tokens)(ROWS[::-1]).scores
        np.testing.assert_allclose(scores[::-1], expected, atol=1e-5)


def test_without_the_reference_it_needs_a_row_is_not_applicable(model):
    reward = MetricX(model=model, mode="reference")
    rows = [Candidate("Ja.", "Yes."), *ROWS, Candidate("Ja.", "Yes.")]
    output = reward(rows)
    assert output.status[0] is output.status[-1] is Status.NOT_APPLICABLE
    np.testing.assert_allclose(output.scores[1:-1], reward(ROWS).scores, atol=1e-5)
    alone = reward(rows[:1])
    assert np.isnan(alone.scores).all()
    assert alone.components["truncated"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("version", "mode", "reads"),
    [
        ("24", "qe", ("source", "hypothesis")),
        ("24", "reference", ("source", "hypothesis", "reference")),
        ("23", "qe", ("source", "hypothesis")),
        ("23", "reference", ("hypothesis", "reference")),
    ],
)
def test_what_it_reads(version, mode, reads):
    reward = MetricX(model="nowhere", version=version, mode=mode)
    assert reward.reads == reads
    assert reward.needs_reference == (mode == "reference")


def test_weights_that_are_no_numbers(model, tmp_path):
    path = shutil.copytree(model, tmp_path / "broken")
    weights = load_file(path / "model.safetensors")
    weights["encoder.block.0.layer.0.layer_norm.weight"][:] = float("nan")
    save_file(weights, path / "model.safetensors")
    output = MetricX(model=path)(ROWS)
    assert output.status == [Status.NON_FINITE] * 5


def test_bfloat16(model):
    output = MetricX(model=model, dtype="bfloat16")(ROWS)
    np.testing.assert_allclose(output.scores, [-9.0, -10.0, -11.0, -12.0, -13.0], atol=1.0)


def test_the_pickle_rule(model, tmp_path):
    path = shutil.copytree(model, tmp_path / "pickled")
    weights = load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    torch.save(weights, path / "pytorch_model.bin")
    digest = hashlib.sha256((path / "pytorch_model.bin").read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"E301.*pytorch_model.bin.*fix: pickle_sha256={digest}"):
        MetricX(model=path)(ROWS)
    with pytest.raises(UserError, match="E302"):
        MetricX(model=path, pickle_sha256="0" * 64)(ROWS)
    output = MetricX(model=path, pickle_sha256=digest)(ROWS)
    np.testing.assert_allclose(output.scores, MetricX(model=model)(ROWS).scores, atol=1e-5)


class TestUserErrors:
    def refused(self, code, **options):
        with pytest.raises(UserError) as error:
            MetricX(**options)(ROWS)
        assert [problem.code for problem in error.value.problems] == [code]
        assert error.value.exit_code == 2

    def test_no_model(self, tmp_path):
        self.refused("E080", model=tmp_path)
        with pytest.raises(UserError, match="E080"):
            _ = MetricX(model=tmp_path / "nowhere").signature

    def test_no_tokenizer(self, model, tmp_path):
        path = shutil.copytree(model, tmp_path / "bare")
        (path / "tokenizer.json").unlink()
        self.refused("E308", model=path)
        self.refused("E308", model=model, tokenizer=str(tmp_path / "nowhere"))
        found = MetricX(model=path, tokenizer=str(model))(ROWS)
        np.testing.assert_allclose(found.scores, MetricX(model=model)(ROWS).scores, atol=1e-5)

    def test_another_architecture(self, model, tmp_path):
        path = shutil.copytree(model, tmp_path / "other")
        (path / "config.json").write_text('{"model_type": "qwen3"}')
        self.refused("E305", model=path)

    def test_a_small_vocabulary(self, tmp_path):
        path = tiny_metricx.metricx(tmp_path, errors={}, vocab_size=500)
        self.refused("E307", model=path)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_length": 1}, "max_length=1 must be 0 or at least 2"),
            ({"max_length": -5}, "max_length=-5 must be 0 or at least 2"),
            ({"batch_tokens": -1}, "batch_tokens=-1 0 or at least 1"),
            ({"version": "22"}, "version: the text '22' is not one of 23, 24"),
            ({"mode": "ref"}, "mode: the text 'ref' is not one of qe, reference"),
            ({"dtype": "int8"}, "dtype: the text 'int8' is not one of auto"),
        ],
    )
    def test_options_out_of_range(self, options, message):
        with pytest.raises(ValueError, match=message):
            MetricX(model="nowhere", **options)

    def test_by_name_without_a_model(self):
        with pytest.raises(UserError, match=r"E103.*metricx\.model: is required"):
            build_reward("metricx")


def test_signature(model, tmp_path):
    """The same files elsewhere keep their digests, other weights have others."""
    here = MetricX(model=model).signature
    assert here.startswith("metricx|MetricX|")
    for part in ("version:'24'", "mode:'qe'", "dtype:'auto'", "torch:", "transformers:", "on:cpu"):
        assert part in here
    copy = shutil.copytree(model, tmp_path / "copy")
    digest = next(part for part in here.split("|") if part.startswith("weights:"))
    assert len(digest) == len("weights:") + 16
    assert digest in MetricX(model=copy).signature
    other = tiny_metricx.metricx(tmp_path / "other", errors={}, seed=5)
    assert digest not in MetricX(model=other).signature


def test_pickling_takes_no_weights_along(model):
    reward = MetricX(model=model)
    scores = reward(ROWS).scores
    packed = pickle.dumps(reward)
    assert len(packed) < 2000
    assert np.array_equal(pickle.loads(packed)(ROWS).scores, scores)  # noqa: S301 - our own bytes


def test_a_run_directory_will_do(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    assert np.array_equal(MetricX(model=tmp_path)(ROWS).scores, MetricX(model=model)(ROWS).scores)


def test_from_the_command_line_and_from_yaml(model):
    plain = MetricX(model=model, mode="reference")
    assert parse_reward(f"metricx:model={model},mode=reference") == plain
    written = json.loads(
        json.dumps({"reward": "metricx", "model": str(model), "mode": "reference"})
    )
    (term,) = build_terms([RewardConfig.model_validate(written)])
    assert term.reward == plain


def test_in_an_ensemble_duplicates_are_scored_once(model, monkeypatch):
    asked = []
    plain = MetricX.__call__
    monkeypatch.setattr(
        MetricX, "__call__", lambda self, rows: asked.append(len(rows)) or plain(self, rows)
    )
    ensemble = RewardEnsemble([Term(MetricX(model=model))])
    values = ensemble([row for row in ROWS for _ in range(4)]).values[:, 0]
    assert asked == [5]
    np.testing.assert_allclose(values, np.repeat([-9.0, -10.0, -11.0, -12.0, -13.0], 4), atol=1e-4)
