import copy

import pytest
import tiny_chats
import tiny_tokenizers

from rewardlab.models.boundary import answer_ids, prompt_ids
from rewardlab.trainers.from_scratch import new_policy
from rewardlab.trainers.sft import (
    BEST,
    LAST,
    Example,
    SFTConfig,
    sft_trainer,
    train_to_best,
)

PLAIN = [Example("one house\n", "ein Haus"), Example("two boats\n", "zwei Boote")]


def turns(user, assistant):
    return Example(
        [{"role": "user", "content": user}], [{"role": "assistant", "content": assistant}]
    )


SPACED = [Example("Spanish:", '"Hola"'), Example("Chinese:", "狗跑"), Example("Line\n", "- uno")]
CHAT = [turns("one house", "ein Haus"), turns("two boats", "zwei Boote")]


@pytest.fixture
def prepared(tmp_path):
    """The rows as TRL's trainer prepares them: token ids, and which of them are learnt."""

    def prepare(tokenizer, examples, **options):
        args = SFTConfig(
            str(tmp_path), use_cpu=True, bf16=False, report_to=[], eval_steps=1, **BEST, **options
        )
        policy = new_policy(tokenizer, hidden_size=32, layers=1, heads=2)
        trainer = sft_trainer(policy, tokenizer, examples, examples, args=args)
        return [(row["input_ids"], row["labels"]) for row in trainer.train_dataset]

    return prepare


def learnt(tokenizer, labels):
    return tokenizer.decode([label for label in labels if label != -100])


def test_only_the_completion_is_learnt_and_its_end(prepared):
    tokenizer = tiny_tokenizers.byte_level_bpe()
    rows = prepared(tokenizer, PLAIN)
    assert [learnt(tokenizer, labels) for _, labels in rows] == [
        "ein Haus<|im_end|>",
        "zwei Boote<|im_end|>",
    ]


@pytest.mark.parametrize(
    "tokenizer",
    [tiny_tokenizers.byte_level_bpe, tiny_tokenizers.byte_fallback_bpe],
)
@pytest.mark.parametrize("packing", [False, True])
def test_the_separator_is_learnt_and_the_prompt_is_the_one_that_is_asked(
    prepared, tokenizer, packing
):
    """TRL takes the ids as they are, in rows of their own and packed into one sequence."""
    tokenizer = tokenizer()
    ids, labels = [], []
    for row in prepared(tokenizer, SPACED, packing=packing, max_length=256, shuffle_dataset=False):
        ids += row[0]
        labels += row[1]
    parts = [
        (prompt_ids(tokenizer, prompt), answer_ids(tokenizer, prompt, answer))
        for prompt, answer in SPACED
    ]
    written = tokenizer.decode(ids, skip_special_tokens=True)
    assert sorted(written) == sorted('Spanish: "Hola"Chinese: 狗跑Line\n- uno')
    rows = [(asked + learned, [-100] * len(asked) + learned) for asked, learned in parts]
    found, at = [], 0
    while at < len(ids):
        size = next(len(i) for i, _ in rows if ids[at:][: len(i)] == i)
        found.append((ids[at:][:size], labels[at:][:size]))
        at += size
    assert sorted(found) == sorted(rows)
    assert [learnt(tokenizer, learned) for _, learned in parts] == [
        f' "Hola"{tokenizer.eos_token}',
        f" 狗跑{tokenizer.eos_token}",
        f"- uno{tokenizer.eos_token}",
    ]


def test_the_end_is_the_token_of_the_options(prepared):
    tokenizer = copy.deepcopy(tiny_tokenizers.byte_level_bpe())
    _, labels = prepared(tokenizer, PLAIN, eos_token="<|endoftext|>")[0]  # noqa: S106
    assert learnt(tokenizer, labels) == "ein Haus<|endoftext|>"
    with pytest.raises(ValueError, match="chat_template_path"):
        prepared(tokenizer, PLAIN, chat_template_path="chat.jinja")


def test_a_cut_row_keeps_its_beginning(prepared):
    tokenizer = tiny_tokenizers.byte_level_bpe()
    asked = prompt_ids(tokenizer, "Spanish:")
    ids, labels = prepared(tokenizer, SPACED[:1], max_length=len(asked) + 2)[0]
    assert ids == asked + answer_ids(tokenizer, *SPACED[0])[:2]
    assert learnt(tokenizer, labels) == ' "'


def test_a_chat_learns_the_answer_and_the_end_of_its_turn(prepared):
    gemma = tiny_chats.gemma()
    ids, labels = prepared(gemma, CHAT)[0]
    assert learnt(gemma, labels) == "ein Haus<end_of_turn>\n"
    assert gemma.decode(ids).count("<bos>") == 1


def test_a_reasoning_model_learns_no_reasoning(prepared):
    """The empty block of reasoning belongs to the prompt, where it stands when it is asked."""
    qwen = tiny_chats.qwen()
    ids, labels = prepared(qwen, CHAT)[0]
    assert learnt(qwen, labels) == "ein Haus<|im_end|>\n"
    assert qwen.decode(ids).endswith("<think>\n\n</think>\n\nein Haus<|im_end|>\n")


def test_an_example_gives_the_texts_of_both_sides():
    assert PLAIN[0].texts == ("one house\n", "ein Haus")
    assert CHAT[0].texts == ("one house", "ein Haus")
    assert Example("Spanish:", "Hola").texts == ("Spanish:", " Hola")


def test_without_patience_the_model_is_kept_as_training_ends(tmp_path):
    """Learning to contradict the held-out row: the best model is an early one."""
    contrary = [Example("one house\n", "zwei Boote")]
    losses = {}
    for name, kept, patience in (("best", BEST, 100), ("last", LAST, None)):
        tokenizer = tiny_tokenizers.byte_level_bpe()
        args = SFTConfig(
            str(tmp_path / name),
            use_cpu=True,
            bf16=False,
            report_to=[],
            eval_steps=4,
            max_steps=40,
            learning_rate=3e-2,
            disable_tqdm=True,
            **kept,
        )
        policy = new_policy(tokenizer, hidden_size=32, layers=1, heads=2)
        trainer = sft_trainer(policy, tokenizer, contrary, PLAIN[:1], args=args, patience=patience)
        losses[name] = train_to_best(trainer)
        assert trainer.state.global_step == 40
        measured = [log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log]
        assert trainer.evaluate()["eval_loss"] == pytest.approx(losses[name], abs=1e-5)
        if name == "last":
            assert losses[name] == pytest.approx(measured[-1], abs=1e-5)
    assert losses["best"] < losses["last"] - 0.1
