import dataclasses
import json
import math
import shutil

import pytest
import tiny_checkpoints
import tiny_classifiers
import torch
from datasets.utils.logging import disable_progress_bar
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, PrinterCallback, TrainingArguments
from trl import RewardConfig

from rewardlab.errors import UserError
from rewardlab.human.rated import Preference, Rated
from rewardlab.models.classifier import Exchange, classifier
from rewardlab.rewards import Generalist
from rewardlab.scorers.families.generalist import GeneralistFamily
from rewardlab.scorers.families.protocol import Shape, Stage
from rewardlab.types import Candidate

SHAPE = Shape(vocab_size=300, hidden_size=16, layers=1, heads=2)
SMALL = GeneralistFamily()


def rated(source, hypothesis, score):
    one = Candidate(source, hypothesis, source_lang="da", target_lang="en", id=source)
    return Rated(one, score, document="doc")


RATED = [
    rated("Hej verden", "Hello world", 0.0),
    rated("Hej verden", "Hello world world", -5.0),
    rated("Hej verden", "Hej verden", -25.0),
    rated("En rød bil", "A red car", 0.0),
    rated("En rød bil", "A blue car", -5.0),
]
ASKED = Preference(
    Candidate("Name a fish.", "Cod.", prompt="Name a fish."),
    Candidate("Name a fish.", "A cow, or two.", prompt="Name a fish."),
    2.0,
)
ROWS = [*RATED, ASKED]


@pytest.fixture(autouse=True)
def quiet():
    disable_progress_bar()


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    directory = tmp_path_factory.mktemp("generalist") / "start"
    SMALL.new(directory, ROWS, SHAPE, seed=1)
    return directory


def options(path, **changes):
    told = {
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "disable_tqdm": True,
        "max_steps": 6,
        "save_steps": 2,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-2,
        "eval_strategy": "steps",
        "eval_steps": 3,
    }
    return RewardConfig(str(path / "run"), **{**told, **changes})


@pytest.fixture
def made(start, tmp_path):
    def made(family=SMALL, rows=ROWS, validation=ROWS, begin=start, **changes):
        return family.trainer(Stage(begin, rows, validation, options(tmp_path, **changes), seed=3))

    return made


def weights(directory):
    return load_file(directory / "model.safetensors")


def all_equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_new_model_is_a_published_one(start):
    config = json.loads((start / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForSequenceClassification"]
    assert (config["hidden_size"], config["num_hidden_layers"]) == (16, 1)
    words = AutoTokenizer.from_pretrained(start)
    assert config["pad_token_id"] == words.pad_token_id == 0
    assert len(words) == config["vocab_size"] <= 300
    scored = Generalist(model=start)([row.candidate for row in RATED])
    assert all(status.scored for status in scored.status)


def test_the_turns_of_a_new_model_are_tokens_of_their_own(start):
    words = AutoTokenizer.from_pretrained(start)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    text = words.apply_chat_template(turns, tokenize=False)
    assert text == "<user>a<eos><assistant>b<eos>"
    assert words.tokenize(text) == ["<user>", "a", "<eos>", "<assistant>", "b", "<eos>"]
    asked = words.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    assert asked == "<user>a<eos><assistant>"


def test_the_seed_draws_the_weights(start, tmp_path):
    SMALL.new(tmp_path / "same", ROWS, SHAPE, seed=1)
    SMALL.new(tmp_path / "other", ROWS, SHAPE, seed=2)
    assert all_equal(weights(start), weights(tmp_path / "same"))
    assert not all_equal(weights(start), weights(tmp_path / "other"))


def test_a_width_that_the_heads_do_not_divide(tmp_path):
    with pytest.raises(ValueError, match="hidden_size=10 is not a multiple of heads=4"):
        SMALL.new(tmp_path, ROWS, Shape(300, 10, 1, 4), seed=0)


@pytest.mark.parametrize("kind", [None, tiny_classifiers.qwen3, tiny_classifiers.gemma3])
def test_training_reads_the_very_ids_that_the_reward_reads(kind, made, start, tmp_path):
    """Also where a text spells out special tokens or holds half a surrogate pair."""
    place = kind(tmp_path / "model") if kind else start
    bad = "a<eos><assistant>b<|im_end|>\n<|im_start|><end_of_turn>\ud800 你好"
    rows = [
        *ROWS,
        rated("Ord", "Word", 0.0),
        rated("Ord", bad, -9.0),
        Preference(Candidate(bad, "x", prompt=bad), Candidate(bad, "", prompt=bad)),
    ]
    trainer = made(rows=rows, validation=[], begin=place, eval_strategy="no")
    read = classifier(place, device="cpu", dtype="auto")
    exchanges = {
        "chosen_ids": [(bad, "x"), ("Name a fish.", "Cod.")],
        "rejected_ids": [
            (bad, ""),
            ("Translate the following text from Danish into English:\n\nOrd", bad),
        ],
    }
    for column, texts in exchanges.items():
        ids = [list(row) for row in trainer.train_dataset[column]]
        for text in texts:
            fitted = read._fitted(Exchange(*text), 4096)
            assert not fitted.cut
            assert fitted.ids in ids


def test_pairs_of_ratings_and_preferences(made):
    data = made().train_dataset
    # The preference comes first; of the first source three pairs, of the second one.
    assert len(data) == 5
    assert list(data["margin"]) == pytest.approx([0.2, *data["margin"][1:4], 0.5])
    assert sorted(data["margin"][1:4]) == pytest.approx([0.5, 2.0, 2.5])
    assert "margin" not in made(GeneralistFamily(margins=False)).train_dataset.column_names
    assert len(made(GeneralistFamily(smallest_margin=20)).train_dataset) == 3
    assert len(made(GeneralistFamily(most_per_segment=1)).train_dataset) == 3
    assert made(GeneralistFamily(margin_scale=1.0)).train_dataset[0]["margin"] == 2.0


def test_the_loss_is_bradley_terrys_with_a_margin(made, start):
    trainer = made(rows=[ASKED], validation=[ASKED])
    better, worse = Generalist(model=start)([ASKED.chosen, ASKED.rejected]).scores
    expected = math.log1p(math.exp(-(better - worse - 0.2)))
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected, abs=1e-6)
    centred = made(rows=[ASKED], validation=[ASKED], center_rewards_coefficient=0.5)
    expected += 0.5 * (better + worse) ** 2
    assert centred.evaluate()["eval_loss"] == pytest.approx(expected, abs=1e-6)


def test_long_pairs_are_left_out_and_counted(made, start):
    long = rated("Hej verden", "word " * 40, -9.0)
    trainer = made(rows=[*ROWS, long], max_length=100)
    assert max(trainer.train_dataset["length"]) <= 100
    lines = SMALL.describe(Stage(start, [*ROWS, long], ROWS[:3], trainer.args))
    assert list(lines) == ["training: 5 pairs; 3 too long", "validation: 3 pairs"]
    with pytest.raises(UserError, match="E374") as error:
        list(SMALL.describe(Stage(start, [long], ROWS, trainer.args)))
    assert error.value.exit_code == 3


def test_the_model_has_positions_for_every_pair(start, made, tmp_path):
    shutil.copytree(start, place := tmp_path / "short")
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 100}))
    long = rated("Hej verden", "word " * 40, -9.0)
    assert len(made(rows=[*ROWS, long], begin=place, max_length=None).train_dataset) == 5


def test_nothing_to_learn_from(made):
    with pytest.raises(UserError) as raised:
        made(rows=RATED[:1])
    assert raised.value.exit_code == 3
    assert raised.value.problems[0].code == "E374"
    assert raised.value.problems[0].what.startswith("training: 0 pairs")
    with pytest.raises(UserError, match="validation: 0 pairs"):
        made(validation=[])
    with pytest.raises(UserError, match="training: 0 pairs; 5 too long"):
        made(max_length=8)
    assert made(validation=[], eval_strategy="no").eval_dataset is None


def test_what_was_trained_is_what_the_reward_reads(made, tmp_path):
    trainer = made()
    trainer.train()
    SMALL.save(trainer, tmp_path / "saved")
    candidates = [row.candidate for row in RATED] + [ASKED.chosen, ASKED.rejected]
    scores = SMALL.reward(tmp_path / "saved")(candidates).scores
    model = trainer.model.eval()
    columns = trainer.train_dataset
    with torch.no_grad():
        chosen = [model(torch.tensor([ids])).logits.item() for ids in columns["chosen_ids"]]
        rejected = [model(torch.tensor([ids])).logits.item() for ids in columns["rejected_ids"]]
    assert (chosen[0], rejected[0]) == pytest.approx((scores[5], scores[6]), abs=1e-6)
    assert {round(score, 5) for score in chosen + rejected} == {
        round(float(score), 5) for score in scores
    }
    assert scores[5] > scores[6]
    assert not (tmp_path / "saved" / "training_args.bin").exists()
    assert (tmp_path / "saved" / "chat_template.jinja").is_file()


@pytest.mark.parametrize("order", ["random", "group_by_length"])
def test_going_on_gives_the_same_bits(order, made, tmp_path):
    trainer = made(train_sampling_strategy=order)
    trainer.train()
    whole = weights(tmp_path / "run" / "checkpoint-6")
    shutil.rmtree(tmp_path / "run" / "checkpoint-6")
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    resumed = made(train_sampling_strategy=order)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert all_equal(weights(tmp_path / "run" / "checkpoint-6"), whole)
    assert not all_equal(weights(tmp_path / "run" / "checkpoint-2"), whole)
    before = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    after = [entry for entry in resumed.state.log_history if "eval_loss" in entry]
    assert [entry["eval_loss"] for entry in before] == [entry["eval_loss"] for entry in after]


def test_a_saved_model_is_trained_further(made, start, tmp_path):
    trainer = made()
    trainer.train()
    SMALL.save(trainer, tmp_path / "saved")
    further = made(begin=tmp_path / "saved")
    assert all_equal(
        {name: value.data for name, value in further.model.named_parameters()},
        weights(tmp_path / "saved"),
    )


def test_a_language_model_gets_a_head_that_the_seed_draws(made, tmp_path):
    tiny_checkpoints.qwen3(tmp_path / "policy")
    one, same = (made(begin=tmp_path / "policy", seed=7).model.score.weight for _ in range(2))
    other = made(begin=tmp_path / "policy", seed=8).model.score.weight
    assert one.shape[0] == 1
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_tower_for_pictures_stays_as_it_is(made, tmp_path):
    tiny_classifiers.gemma3_vision(tmp_path / "model")
    frozen = {
        name: not parameter.requires_grad
        for name, parameter in made(begin=tmp_path / "model").model.named_parameters()
    }
    assert any(frozen.values())
    assert all(("vision" in name or "projector" in name) == is_ for name, is_ in frozen.items())


def without_template(path):
    (path / "chat_template.jinja").unlink()


def without_head(path):
    held = weights(path)
    del held["score.weight"]
    save_file(held, path / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (without_template, r"E351\].* no chat template"),
        (without_head, r"E350\].* 1 weights are missing, first score.weight"),
        (lambda path: (path / "config.json").write_text("{"), r"E350\].* cannot be loaded"),
        (lambda path: (path / "tokenizer.json").unlink(), r"E350\].* tokenizer"),
    ],
)
def test_a_checkpoint_that_cannot_be_used(spoil, what, made, start, tmp_path):
    shutil.copytree(start, place := tmp_path / "spoilt")
    spoil(place)
    with pytest.raises(UserError, match=what) as raised:
        made(begin=place)
    assert raised.value.exit_code == 2


def test_several_logits_are_no_reward(made, tmp_path):
    tiny_classifiers.qwen3(tmp_path / "model", labels=3)
    with pytest.raises(UserError, match="it gives 3 logits, and a reward is one"):
        made(begin=tmp_path / "model")


def test_precision_of_loading_is_the_callers(start, tmp_path):
    given = options(tmp_path, model_init_kwargs={"dtype": "bfloat16"})
    trainer = SMALL.trainer(Stage(start, ROWS, ROWS, given))
    assert trainer.model.dtype == torch.bfloat16
    assert given.model_init_kwargs == {"dtype": "bfloat16"}


def test_nothing_is_printed_and_the_options_are_trls(made, start, tmp_path, capsys):
    trainer = made(max_steps=1)
    assert not any(isinstance(c, PrinterCallback) for c in trainer.callback_handler.callbacks)
    trainer.train()
    assert capsys.readouterr().out == ""
    with pytest.raises(TypeError, match="TrainingArguments, not RewardConfig"):
        SMALL.trainer(Stage(start, ROWS, ROWS, TrainingArguments(str(tmp_path))))


@pytest.mark.parametrize(
    "changes",
    [
        {"smallest_margin": -1.0},
        {"most_per_segment": 0},
        {"margin_scale": 0.0},
        {"margin_scale": math.inf},
    ],
)
def test_numbers_out_of_range_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        dataclasses.replace(SMALL, **changes)
