import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_checkpoint
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

import rewardlab.judges
from rewardlab.errors import UserError
from rewardlab.human.rated import Preference, Rated
from rewardlab.judges.answers import MQMAnswer, read_answer
from rewardlab.rewards.automqm import AutoMQM
from rewardlab.scorers.families.automqm import (
    Answers,
    AnswerTrainer,
    AutoMQMFamily,
    balanced,
    form_tokens,
)
from rewardlab.scorers.families.protocol import Shape, Stage
from rewardlab.trainers.sft import Example
from rewardlab.types import Candidate, ErrorSpan, Status

SHORT = Path(rewardlab.judges.__file__).parent / "prompts" / "automqm_short.toml"
SHAPE = Shape(vocab_size=400, hidden_size=32, layers=1, heads=2)
FAMILY = AutoMQMFamily(chat=False, prompt="automqm_short")


def rated(source, hypothesis, *spans, score=None, raters=1):
    candidate = Candidate(source, hypothesis, "a reference", source_lang="de", target_lang="en")
    score = -float(len(spans)) if score is None else score
    return Rated(candidate, score, (tuple(spans),) * raters, "system", "document")


ROWS = [
    rated("Das Haus.", "The mouse.", ErrorSpan(4, 9, "Major", "Accuracy/Mistranslation")),
    rated("Zwei Boote.", "Two boats."),
    rated("Der Hund.", "The The dog", ErrorSpan(4, 7, "Minor", "Fluency/Grammar")),
    rated("Ein Tag.", "A day."),
]


def options(directory, **chosen):
    return SFTConfig(
        str(directory),
        **{
            "use_cpu": True,
            "bf16": False,
            "report_to": [],
            "disable_tqdm": True,
            "per_device_train_batch_size": 2,
            "max_steps": 6,
            "learning_rate": 1e-2,
            "gradient_checkpointing": False,
            "save_strategy": "no",
            **chosen,
        },
    )


def trainer_of(family, start, train, validation, *, args, seed=0):
    return family.trainer(Stage(start, train, validation, args, seed))


@pytest.fixture
def start(tmp_path):
    FAMILY.new(tmp_path / "start", ROWS, SHAPE, seed=3)
    return tmp_path / "start"


def weights(path):
    model = AutoModelForCausalLM.from_pretrained(path)
    return {name: weight.detach() for name, weight in model.named_parameters()}


def same(some, others):
    return all(torch.equal(weight, others[name]) for name, weight in some.items())


def test_it_is_asked_what_the_judge_asks():
    """The very prompt that the reward's model gets, and the answer that reads as the errors."""
    asked = []

    class Listening(AutoMQM):
        def _judge(self, url):
            return self

        signature = "listening"

        def ask(self, prompts, sampling, *, seeds, schema=None):
            asked.extend(prompts)
            raise StopIteration

    for chat, prompt in ((True, ""), (False, str(SHORT))):
        family = AutoMQMFamily(chat=chat, prompt=prompt)
        taught = family.answers(ROWS[:1]).examples[0]
        asked.clear()
        with pytest.raises(StopIteration):
            Listening(model="", chat=chat, prompt=prompt)([ROWS[0].candidate])
        assert taught.prompt == asked[0]
        answer = taught.completion[0]["content"] if chat else taught.completion
        reading = read_answer(answer, MQMAnswer)
        assert reading.status is Status.OK
        assert [(one.span, one.severity) for one in reading.answer.errors] == [("mouse", "major")]


def test_a_judge_with_a_reference_is_taught_with_it():
    text = replace(FAMILY, reference=True, prompt="").answers(ROWS[:1]).examples[0].prompt
    assert '"reference": "a reference"' in text


def test_every_rater_gives_an_answer_and_what_is_left_out_is_counted():
    rows = [
        rated("a", "so so so", ErrorSpan(3, 5, "minor"), ErrorSpan(0, 8, "Neutral"), raters=2),
        rated("b", "fine"),
        Rated(Candidate("c", "nobody looked"), -1.0),
        rated("d", "cut", score=-20.0),  # something is wrong, and nothing says where
    ]
    taught = FAMILY.answers(rows)
    assert taught.flawless == [False, False, True]
    assert taught.counts == {
        "rows without spans": 2,
        "neutral errors": 2,
        "ambiguous errors": 2,
        "errors too many": 0,
        "ratings too long": 0,
    }
    assert str(taught) == (
        "3 answers, 1 without an error; 2 rows without spans; 2 neutral errors; 2 ambiguous errors"
    )


def test_a_preference_is_no_rating():
    one = Candidate("a", "b")
    with pytest.raises(UserError, match="E366"):
        FAMILY.answers([Preference(one, one)])


@pytest.mark.parametrize(
    ("no_errors", "wanted"),
    [(0.0, 0), (0.25, 1), (0.5, 3), (0.7, 7)],  # three errors; two rows without
)
def test_the_share_of_answers_without_errors(no_errors, wanted):
    examples = [Example(str(number), "") for number in range(5)]
    taught = Answers(examples, [False, True, False, True, False], {})
    found = balanced(taught, no_errors, seed=1)
    assert sum(found.flawless) == wanted
    assert found.examples == sorted(found.examples)
    assert [one for one in found.examples if one.prompt in "024"] == examples[::2]
    copies = {one: found.examples.count(one) for one in examples[1::2]}
    assert max(copies.values()) - min(copies.values()) <= 1
    assert found == balanced(taught, no_errors, seed=1)


def test_one_kind_of_answer_alone_is_not_balanced():
    alone = Answers([Example("a", "b")], [True], {})
    assert balanced(alone, 0.0, seed=0) == alone


def test_what_is_too_long_is_left_out_whole(start):
    tokenizer = AutoTokenizer.from_pretrained(start)
    long = rated("x " * 50, "word", ErrorSpan(0, 4, "minor"))
    wordy = rated("Kurz.", "häh " * 20, ErrorSpan(0, 79, "minor"))
    rows = [*ROWS, long, wordy]
    family = replace(FAMILY, max_new_tokens=40)
    kept = family.answers(rows, tokenizer=tokenizer, max_length=160)
    assert kept.counts["ratings too long"] == 2
    assert kept.examples == FAMILY.answers(ROWS).examples
    assert (
        family.answers(rows, tokenizer=tokenizer).counts["ratings too long"] == 1
    )  # the answer alone
    assert FAMILY.answers(rows).counts["ratings too long"] == 0


def test_nothing_left_to_learn_from(start, tmp_path):
    with pytest.raises(UserError, match=r"E365.*4 ratings too long.*raise max_length=8") as caught:
        trainer_of(FAMILY, start, ROWS, [], args=options(tmp_path / "run", max_length=8))
    assert caught.value.exit_code == 3


def test_options_out_of_range(start, tmp_path):
    with pytest.raises(ValueError, match="no_errors=1"):
        AutoMQMFamily(no_errors=1.0)
    with pytest.raises(ValueError, match="max_new_tokens=0"):
        AutoMQMFamily(max_new_tokens=0)
    everything = options(tmp_path / "run", completion_only_loss=False)
    with pytest.raises(ValueError, match="would teach the questions"):
        trainer_of(FAMILY, start, ROWS, [], args=everything)


def test_a_new_tokenizer_has_the_forms_own_words(start):
    tokenizer = AutoTokenizer.from_pretrained(start)
    assert len(tokenizer) == 400
    for example in FAMILY.answers(ROWS).examples:
        ids = tokenizer(example.texts[1])["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == example.texts[1]
    fine, wrong = (
        tokenizer.tokenize(FAMILY.answers([ROWS[k]]).examples[0].texts[1]) for k in (1, 0)
    )
    assert fine == [' {"errors": []}']
    assert [token for token in wrong if token in form_tokens()] == [
        ' {"errors": [{"span": "',
        '", "span_with_context": "", "severity": "',
        'major", "category": "',
        'Accuracy/Mistranslation", "in": "translation"}',
        "]}",
    ]


def test_new_weights_follow_from_the_seed(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        FAMILY.new(tmp_path / name, ROWS, SHAPE, seed=seed)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (
        tmp_path / "b" / "tokenizer.json"
    ).read_bytes()


def test_the_loss_is_the_mean_over_the_tokens_of_all_answers(start, tmp_path):
    """By hand: every answer token of the batch weighs the same, questions weigh nothing."""
    family = replace(FAMILY, no_errors=0.5)
    trainer = trainer_of(family, start, ROWS, ROWS, args=options(tmp_path / "run"))
    assert isinstance(trainer, AnswerTrainer)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(start), trainer.processing_class
    total, count = 0.0, 0
    for example in family.answers(ROWS).examples:
        asked = tokenizer(example.prompt)["input_ids"]
        answered = tokenizer(example.texts[1])["input_ids"] + [tokenizer.eos_token_id]
        with torch.no_grad():
            logp = model(torch.tensor([asked + answered])).logits[0].log_softmax(-1)
        for place, token in enumerate(answered, len(asked)):
            total -= logp[place - 1, token].item()
            count += 1
    assert trainer.evaluate()["eval_loss"] == pytest.approx(_mean_of_batches(trainer), abs=1e-5)
    rows = [trainer.train_dataset[place] for place in range(4)]
    batch = trainer._prepare_inputs(trainer.data_collator(rows))
    of_all = trainer.compute_loss(trainer.model, batch)
    assert of_all.item() == pytest.approx(total / count, abs=1e-5)
    assert SFTTrainer.compute_loss(trainer, trainer.model, batch).item() == pytest.approx(
        of_all.item(), abs=1e-5
    )
    twice = trainer.compute_loss(trainer.model, batch, num_items_in_batch=2 * count)
    assert twice.item() == pytest.approx(total / count / 2, abs=1e-5)


def _mean_of_batches(trainer):
    """What transformers makes of the losses of batches, all of which are of one size here."""
    losses = []
    for batch in trainer.get_eval_dataloader():
        with torch.no_grad():
            inputs = trainer._prepare_inputs(batch)
            losses += [SFTTrainer.compute_loss(trainer, trainer.model, inputs).item()] * len(
                inputs["labels"]
            )
    return sum(losses) / len(losses)


def test_it_learns_and_is_read_back_as_the_reward(start, tmp_path):
    """Four rows by heart: the reward of the saved directory says what people said."""
    args = options(
        tmp_path / "run", max_steps=70, per_device_train_batch_size=4, learning_rate=2e-2
    )
    trainer = trainer_of(FAMILY, start, ROWS, ROWS, args=args)
    trainer.train()
    FAMILY.save(trainer, tmp_path / "model")
    saved = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"model.safetensors", "prompt.toml", "tokenizer.json"} <= saved
    assert not {"training_args.bin", "pytorch_model.bin"} & saved
    assert (tmp_path / "model" / "prompt.toml").read_bytes() == SHORT.read_bytes()
    reward = FAMILY.reward(tmp_path / "model")
    assert reward.prompt == str(tmp_path / "model" / "prompt.toml")
    found = replace(reward, max_new_tokens=60)([row.candidate for row in ROWS])
    assert found.status == [Status.OK] * 4
    assert found.scores.tolist() == [-5.0, 0.0, -1.0, 0.0]
    assert [(span.start, span.end) for span in found.spans[0]] == [(4, 9)]
    assert [(span.start, span.end) for span in found.spans[2]] == [(4, 7)]


def test_a_chat_ends_where_its_turn_ends(tmp_path):
    start = tiny_checkpoint.save(tmp_path / "start", chat=True)
    trainer = trainer_of(
        AutoMQMFamily(), start, ROWS, [], args=options(tmp_path / "run", max_length=None)
    )
    labels = [label for label in trainer.train_dataset[0]["labels"] if label != -100]
    tokenizer = trainer.processing_class
    assert read_answer(tokenizer.decode(labels[:-1]), MQMAnswer).status is Status.OK
    assert tokenizer.decode(labels[-1:]) == "<|im_end|>"
    AutoMQMFamily().save(trainer, tmp_path / "model")
    ends = json.loads((tmp_path / "model" / "generation_config.json").read_text())["eos_token_id"]
    assert labels[-1] in (ends if isinstance(ends, list) else [ends])
    reward = AutoMQMFamily().reward(tmp_path / "model")
    assert (reward.prompt, reward.chat) == ("", True)


def test_going_on_from_a_checkpoint_gives_the_same_weights(start, tmp_path):
    def train(name, resume=None):
        args = options(tmp_path / name, save_strategy="steps", save_steps=2, seed=5)
        trainer = trainer_of(FAMILY, start, ROWS, ROWS, args=args, seed=7)
        trainer.train(resume_from_checkpoint=resume)
        FAMILY.save(trainer, tmp_path / name / "model")
        return weights(tmp_path / name / "model")

    through = train("through")
    shutil.copytree(tmp_path / "through" / "checkpoint-2", tmp_path / "again" / "checkpoint-2")
    assert same(through, train("again", resume=str(tmp_path / "again" / "checkpoint-2")))
    assert not same(through, weights(start))
