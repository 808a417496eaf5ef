import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_metricx
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, TrainerCallback, TrainingArguments

from rewardlab.errors import UserError
from rewardlab.human.rated import Preference, Rated
from rewardlab.models.metricx_training import Reading
from rewardlab.rewards.metricx import MetricX
from rewardlab.scorers.families import FAMILIES
from rewardlab.scorers.families.like_lengths import ByLength
from rewardlab.scorers.families.metricx import MetricXFamily, train_tokenizer
from rewardlab.scorers.families.protocol import Shape, Stage
from rewardlab.types import Candidate, ErrorSpan

SOURCES = (
    "The dog runs across the old bridge.",
    "She said the translation is not good.",
    "Great, come again tomorrow!",
    "Does the dog run?",
)
HYPOTHESES = (
    "Der Hund läuft über die alte Brücke.",
    "Sie sagte, die Übersetzung sei schlecht.",
    "Bis morgen.",
    "Läuft der Hund? Der Hund läuft über die Brücke und sagt, dass er läuft.",
)
SHAPE = Shape(vocab_size=200, hidden_size=16, layers=2, heads=2)


def rows(*, reference=True):
    return [
        Rated(
            Candidate(source, hypothesis, HYPOTHESES[at] if reference else None, id=f"{at}"),
            -float((at * 3 + number * 5) % 11),
            system=f"system {number}",
            document="talk",
        )
        for at, source in enumerate(SOURCES)
        for number, hypothesis in enumerate(HYPOTHESES)
    ]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    directory = tmp_path_factory.mktemp("start") / "new"
    MetricXFamily(mode="hybrid").new(directory, rows(), SHAPE, seed=0)
    return directory


@pytest.fixture(scope="module")
def with_dropout(start, tmp_path_factory):
    """The same, and as a published checkpoint it draws random numbers in each step."""
    directory = tmp_path_factory.mktemp("start") / "dropout"
    shutil.copytree(start, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"dropout_rate": 0.1}))
    return directory


def arguments(directory, **options):
    plain = {
        "max_steps": 3,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    return TrainingArguments(output_dir=str(directory), **{**plain, **options})


def trainer_of(family, start, train, validation, *, args, seed=0, callbacks=()):
    return family.trainer(Stage(start, train, validation, args, seed), callbacks)


def described(family, start, train, validation, *, args):
    return list(family.describe(Stage(start, train, validation, args)))


def weights_of(trainer):
    return {name: weight.clone() for name, weight in trainer.model.state_dict().items()}


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def scored(directory, mode, candidates, **options):
    return MetricX(model=directory, mode=mode, **options)(candidates).scores


def test_it_is_a_family():
    assert FAMILIES.load("metricx") is MetricXFamily
    assert all(FAMILIES.load(name).name == name for name in FAMILIES.names())
    assert MetricXFamily.options_class is TrainingArguments


def test_what_it_makes_anew_is_a_metricx(start):
    config = json.loads((start / "config.json").read_text())
    assert config["model_type"] == "mt5"
    assert config["vocab_size"] == 250_112
    assert config["tie_word_embeddings"] is False
    assert config["architectures"] == ["MT5ForRegression"]
    assert config["decoder_start_token_id"] == 0
    assert config["feed_forward_proj"] == "gated-gelu"
    assert (config["d_model"], config["num_layers"], config["num_heads"]) == (16, 2, 2)
    head = load_file(start / "model.safetensors")["lm_head.weight"]
    assert head.shape == (250_112, 16)
    assert torch.nonzero(head.abs().sum(1)).flatten().tolist() == [250_089]
    tokenizer = AutoTokenizer.from_pretrained(start)
    assert type(tokenizer).__name__.startswith("T5Tokenizer")
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    scores = scored(start, "qe", [row.candidate for row in rows()])
    assert -11 < scores.mean() < -1  # the errors above are 0..10


def test_the_same_seed_makes_the_same_model(start, tmp_path):
    family = MetricXFamily(mode="hybrid")
    family.new(tmp_path / "again", rows(), SHAPE, seed=0)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (start / name).read_bytes(), name


def test_the_text_is_the_rewards_own_and_its_end_is_cut(start, tmp_path):
    """24, hybrid: each row in both forms; truncated to max_length - 1 ids, without </s>."""
    family = MetricXFamily(mode="hybrid", max_length=21)
    row = Rated(Candidate("Ja.", "Yes.", "Yes!"), -2.0)
    bare = Rated(Candidate("Nein.", "No, no, no, no, no, no, no, no, no."), -30.0)
    trainer = trainer_of(family, start, [row, bare], [], args=arguments(tmp_path))
    tokenizer = AutoTokenizer.from_pretrained(start)
    texts = (
        "source: Ja. candidate: Yes.",
        "source: Ja. candidate: Yes. reference: Yes!",
        "source: Nein. candidate: No, no, no, no, no, no, no, no, no.",
    )
    ids = [tiny_metricx.input_ids(tokenizer, text, 21) for text in texts]
    assert list(trainer.train_dataset) == [
        Reading(ids[0], 2.0), Reading(ids[1], 2.0), Reading(ids[2], 25.0)
    ]  # fmt: skip
    assert len(ids[2]) == 20
    assert trainer.eval_dataset is None


def test_what_is_cut_is_told_before_a_weight_is_read(start, tmp_path):
    shutil.copytree(start, place := tmp_path / "place")
    (place / "model.safetensors").write_bytes(b"no weights")
    row = Rated(Candidate("Ja.", "Yes.", "Yes!"), -2.0)
    bare = Rated(Candidate("Nein.", "No, no, no, no, no, no, no, no, no."), -30.0)
    rewards = MetricXFamily(mode="hybrid").rewards(start)
    texts = [rewards[n].text(one.candidate) for n, one in ((0, bare), (1, row))]
    long, short = (len(ids) for ids in AutoTokenizer.from_pretrained(start)(texts).input_ids)
    family, args = MetricXFamily(mode="hybrid", max_length=short), arguments(tmp_path / "run")
    assert described(family, place, [row, bare], [row], args=args) == [
        f"training: 3 inputs, the longest of {long} tokens; 1 are cut at {short}",
        f"validation: 2 inputs, the longest of {short} tokens; 0 are cut at {short}",
    ]
    pickled = (place / "model.safetensors").rename(place / "pytorch_model.bin")
    with pytest.raises(UserError, match="E301"):
        described(family, place, [row], [row], args=args)
    known = replace(family, pickle_sha256=hashlib.sha256(pickled.read_bytes()).hexdigest())
    assert len(described(known, place, [row], [row], args=args)) == 2
    pickled.rename(place / "model.safetensors")
    (place / "config.json").write_text("{")
    with pytest.raises(UserError, match="E305"):
        described(family, place, [row], [row], args=args)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "qe"}, "source: Ja. candidate: Yes."),
        ({"mode": "reference"}, "source: Ja. candidate: Yes. reference: Yes!"),
        ({"mode": "qe", "version": "23"}, "candidate: Yes. source: Ja."),
        ({"mode": "reference", "version": "23"}, "candidate: Yes. reference: Yes!"),
    ],
)
def test_every_published_form(start, tmp_path, options, text):
    row = Rated(Candidate("Ja.", "Yes.", "Yes!"), -2.0)
    trainer = trainer_of(MetricXFamily(**options), start, [row], [], args=arguments(tmp_path))
    tokenizer = AutoTokenizer.from_pretrained(start)
    assert trainer.train_dataset[0].ids == tiny_metricx.input_ids(tokenizer, text, 1024)


@pytest.mark.parametrize("mode", ["qe", "reference"])
def test_the_reward_scores_as_the_trained_model_does(start, tmp_path, mode):
    family = MetricXFamily(mode=mode)
    trainer = trainer_of(family, start, rows(), [], args=arguments(tmp_path / "run"))
    before = weights_of(trainer)
    trainer.train()
    assert not same(before, weights_of(trainer))
    family.save(trainer, tmp_path / "saved")
    model = trainer.model.eval()
    with torch.no_grad():
        logits = [
            float(model(torch.tensor([reading.ids]), torch.ones(1, len(reading.ids))).logits)
            for reading in trainer.train_dataset
        ]
    reward = family.reward(tmp_path / "saved")
    assert reward.mode == mode
    found = reward([row.candidate for row in rows()]).scores
    # float32: one after another here, in batches there
    np.testing.assert_allclose(found, -np.clip(logits, 0, 25), atol=1e-6, rtol=1e-6)
    assert found.std() > 0.01


def test_a_hybrid_is_both_rewards(start):
    family = MetricXFamily(mode="hybrid")
    assert [reward.mode for reward in family.rewards(start)] == ["qe", "reference"]
    candidates = [row.candidate for row in rows()]
    one, other = (reward(candidates).scores for reward in family.rewards(start))
    assert not np.allclose(one, other)
    assert family.reward(start).mode == "qe"


def test_a_later_stage_goes_on_from_what_was_saved(start, tmp_path):
    family = MetricXFamily()
    first = trainer_of(family, start, rows(), [], args=arguments(tmp_path / "one"))
    first.train()
    family.save(first, tmp_path / "saved")
    second = trainer_of(family, tmp_path / "saved", rows(), [], args=arguments(tmp_path / "two"))
    assert same(weights_of(first), weights_of(second))


@pytest.mark.parametrize("tied", [False, True])
def test_it_begins_with_a_published_checkpoint(tmp_path, tied):
    """Everything beyond the tokenizer's ids stays, and so does each row of the head but one."""
    published = tiny_metricx.metricx(tmp_path / "published", tied=tied)
    family = MetricXFamily()
    trainer = trainer_of(family, published, rows(), [], args=arguments(tmp_path / "run"))
    trainer.train()
    family.save(trainer, tmp_path / "saved")
    before = load_file(published / "model.safetensors")
    after = load_file(tmp_path / "saved" / "model.safetensors")
    known = len(trainer.processing_class)
    assert torch.equal(after["shared.weight"][known:], before["shared.weight"][known:])
    assert not torch.equal(after["shared.weight"][:known], before["shared.weight"][:known])
    head = before["shared.weight"] * 32**-0.5 if tied else before["lm_head.weight"]
    changed = (after["lm_head.weight"] != head).any(1)
    assert torch.nonzero(changed).flatten().tolist() == [250_089]


def test_a_tokenizer_from_elsewhere(start, tmp_path):
    published = tiny_metricx.metricx(tmp_path / "published", tokenizer=False)
    family = MetricXFamily(tokenizer=start)
    trainer = trainer_of(family, published, rows(), [], args=arguments(tmp_path / "run"))
    family.save(trainer, tmp_path / "saved")
    own = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert own.get_vocab() == AutoTokenizer.from_pretrained(start).get_vocab()
    assert np.isfinite(scored(tmp_path / "saved", "qe", [rows()[0].candidate])).all()


def test_failures_are_mixed_into_training_only(start, tmp_path):
    family = MetricXFamily(failures=0.5)
    trainer = trainer_of(family, start, rows(), rows(), args=arguments(tmp_path), seed=1)
    assert (len(trainer.train_dataset), len(trainer.eval_dataset)) == (24, 16)
    made_up = list(trainer.train_dataset)[16:]
    assert max(reading.error for reading in made_up) == 25.0
    again = trainer_of(family, start, rows(), rows(), args=arguments(tmp_path), seed=1)
    assert list(again.train_dataset) == list(trainer.train_dataset)


def test_two_trainers_from_one_start_end_alike(start, tmp_path):
    family = MetricXFamily(mode="hybrid", failures=0.25)
    ends = []
    for name in ("one", "two"):
        trainer = trainer_of(family, start, rows(), rows(), args=arguments(tmp_path / name))
        trainer.train()
        ends.append(weights_of(trainer))
    assert same(*ends)
    other = trainer_of(family, start, rows(), rows(), args=arguments(tmp_path / "three"), seed=1)
    other.train()
    assert not same(ends[0], weights_of(other))


class StopsAfter(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [6, 11])
def test_resumed_training_gives_the_bits_of_one_never_stopped(with_dropout, tmp_path, steps):
    """16 rows make 4 steps an epoch: steps 5 and 9 are in other epochs than the first checkpoint's.

    Dropout is on: were its random numbers or the order of the rows not restored, weights differed.
    """
    family = MetricXFamily(mode="qe")
    options = {"max_steps": steps, "save_strategy": "steps", "save_steps": 2}
    whole = trainer_of(
        family, with_dropout, rows(), rows(), args=arguments(tmp_path / "whole", **options)
    )
    assert whole.model.config.dropout_rate == 0.1
    whole.train()
    directory = tmp_path / "cut"
    cut = trainer_of(
        family,
        with_dropout,
        rows(),
        rows(),
        args=arguments(directory, **options),
        callbacks=[StopsAfter(3)],
    )
    with pytest.raises(KeyboardInterrupt):
        cut.train()
    resumed = trainer_of(family, with_dropout, rows(), rows(), args=arguments(directory, **options))
    resumed.train(resume_from_checkpoint=str(directory / "checkpoint-2"))
    assert resumed.state.global_step == steps
    assert same(weights_of(whole), weights_of(resumed))


def test_the_best_model_is_kept_by_validation_loss(start, tmp_path):
    """At this rate the loss has long been rising when training ends."""
    options = {
        "max_steps": 6,
        "learning_rate": 0.5,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_strategy": "steps",
        "save_steps": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
    }
    family = MetricXFamily()
    trainer = trainer_of(family, start, rows(), rows()[:5], args=arguments(tmp_path, **options))
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(losses) >= 6
    assert trainer.state.best_metric == min(losses)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), rel=1e-6)
    model = trainer.model
    assert model.encoder.embed_tokens.weight is model.shared.weight


def test_nothing_is_written_to_stdout(start, tmp_path, capfd):
    options = {"logging_strategy": "steps", "logging_steps": 1, "eval_strategy": "steps"}
    family = MetricXFamily()
    trainer = trainer_of(
        family, start, rows(), rows(), args=arguments(tmp_path, eval_steps=2, **options)
    )
    trainer.train()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Rated(Candidate("a", "b", "c"), float("nan")), "row 1 has score nan"),
        (Rated(Candidate("a", "b", "c"), float("-inf")), "row 1 has score -inf"),
        (Rated(Candidate("a", "b", "c"), 81.5), "row 1 has score 81.5"),
        (Preference(Candidate("a", "b"), Candidate("a", "c")), "row 1 is Preference"),
        (Rated(Candidate("a", "b"), -1.0), "row 1 has no reference, and mode='reference'"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(start, tmp_path, row, message):
    family = MetricXFamily(mode="reference")
    lessons = [rows()[0], row]
    for train, validation in ((lessons, rows()), (rows(), lessons)):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            trainer_of(family, start, train, validation, args=arguments(tmp_path))
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        family.new(tmp_path / "new", lessons, SHAPE, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "both"}, "mode='both' is not one of qe, reference, hybrid"),
        ({"mode": "hybrid", "version": "23"}, "of version 24"),
        ({"version": "22"}, "version: the text '22' is not one of 23, 24"),
        ({"failures": -0.1}, "failures=-0.1"),
        ({"failures": float("nan")}, "failures=nan"),
        ({"max_length": 1}, "max_length=1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MetricXFamily(**options)


def test_an_order_has_every_row_once_and_batches_of_about_one_length():
    lengths = [(7 * row) % 100 for row in range(1001)]
    order = ByLength(lengths, batch_size=10, seed=0)
    assert len(order) == 1001
    first, again = list(order), list(order)
    assert first == again
    assert sorted(first) == list(range(1001))
    spread = [np.ptp([lengths[row] for row in first[at : at + 10]]) for at in range(0, 1000, 10)]
    assert np.mean(spread) < 10  # 500 rows have 100 lengths, five rows each
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first
    assert list(ByLength(lengths, batch_size=10, seed=1)) != first


def test_the_batch_that_is_short_comes_last():
    order = list(ByLength([5, 1, 4, 2, 3], batch_size=2, seed=0))
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert {frozenset(order[:2]), frozenset(order[2:4])} != {frozenset(order[3:])}
    assert list(ByLength([], batch_size=2, seed=0)) == []


def test_a_vocabulary_that_holds_no_alphabet_is_refused():
    with pytest.raises(ValueError, match="vocab_size=5"):
        train_tokenizer(list(HYPOTHESES), vocab_size=5)


def test_no_rows_no_tokenizer(tmp_path):
    with pytest.raises(ValueError, match="no rows"):
        MetricXFamily().new(Path(tmp_path), [], SHAPE, seed=0)


# ── which tokens are marked ─────────────────────────────────────────────────────────────────────


HYPOTHESIS = "the dog runs away now"


def marked_rows():
    """The second word is marked by both raters, the fourth by one of them."""
    candidate = Candidate("Der Hund läuft.", HYPOTHESIS, "the dog is running")
    both, one = ErrorSpan(4, 7, "major"), ErrorSpan(13, 17, "Minor")
    ignored = (ErrorSpan(0, 3, "Neutral"), ErrorSpan(0, 3, "major", side="source"))
    return [Rated(candidate, -3.0, ((both, one), (both, *ignored)))]


@pytest.mark.parametrize(
    ("mode", "version"), [("qe", "24"), ("reference", "24"), ("qe", "23"), ("reference", "23")]
)
def test_tokens_are_marked_where_raters_marked_them(start, tmp_path, mode, version):
    family = MetricXFamily(mode=mode, version=version, span_weight=1.0)
    trainer = trainer_of(family, start, marked_rows(), [], args=arguments(tmp_path))
    (reading,) = trainer.train_dataset
    text = family.reward(start).text(marked_rows()[0].candidate)
    places = trainer.processing_class(text, add_special_tokens=False, return_offsets_mapping=True)
    at = text.index(HYPOTHESIS)
    shares = {"dog": 1.0, "away": 0.5}
    for (first, end), share in zip(places["offset_mapping"], reading.marked, strict=True):
        inside = [
            shares.get(word, 0.0)
            for word in HYPOTHESIS.split()
            for begin in [at + HYPOTHESIS.index(word)]
            if first < begin + len(word) and end > begin
        ]
        outside = end <= at or first >= at + len(HYPOTHESIS)
        assert share == (-1.0 if outside or end == first else max(inside, default=0.0))
    assert {0.0, 0.5, 1.0, -1.0} == set(reading.marked)


def test_nobody_is_asked_about_tokens_unless_it_is_weighed(start, tmp_path):
    trainer = trainer_of(MetricXFamily(), start, marked_rows(), [], args=arguments(tmp_path))
    assert trainer.train_dataset[0].marked == ()
    assert not trainer.model.span_head.weight.requires_grad


def test_where_no_rater_was_asked_no_token_counts(start, tmp_path):
    family = MetricXFamily(span_weight=1.0)
    trainer = trainer_of(family, start, rows()[:1], [], args=arguments(tmp_path))
    assert set(trainer.train_dataset[0].marked) == {-1.0}


def test_marked_tokens_count_in_training_and_not_in_validation(start, tmp_path):
    """From a head of zeros every token costs log 2, ten times over."""
    family = MetricXFamily(span_weight=10.0)
    trainer = trainer_of(family, start, marked_rows(), [], args=arguments(tmp_path))
    model = trainer.model
    batch = trainer.data_collator(list(trainer.train_dataset))

    def loss(weight):
        model.span_weight = weight
        torch.manual_seed(0)  # of the dropout
        return model(**batch).loss.item()

    assert loss(10.0) - loss(0.0) == pytest.approx(10 * np.log(2), rel=1e-4)
    model.eval()
    assert loss(10.0) == loss(0.0)


def test_what_marks_tokens_is_not_saved(start, tmp_path):
    family = MetricXFamily(span_weight=1.0)
    trainer = trainer_of(family, start, marked_rows(), [], args=arguments(tmp_path / "run"))
    trainer.train()
    assert trainer.model.span_head.weight.abs().sum() > 0
    family.save(trainer, tmp_path / "saved")
    names = set(load_file(tmp_path / "saved" / "model.safetensors"))
    assert not [name for name in names if "span" in name]
    assert "span" not in (tmp_path / "saved" / "config.json").read_text()
