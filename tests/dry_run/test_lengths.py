"""Token counts are those that TRL trains on, and what they mean is said."""

import pytest
import tiny_chats
import tiny_tokenizers

from rewardlab.dry_run import lengths
from rewardlab.dry_run.lengths import (
    TokenCounts,
    as_summary,
    completion_notes,
    count_tokens,
    length_notes,
    nothing_fits,
    spread,
)
from rewardlab.trainers.from_scratch import new_policy
from rewardlab.trainers.sft import BEST, Example, SFTConfig, sft_trainer


def turns(user, assistant):
    return Example(
        [{"role": "user", "content": user}], [{"role": "assistant", "content": assistant}]
    )


PLAIN = [Example("one house\n", "ein Haus"), Example("two boats\n", "zwei Boote")]
CHAT = [turns("one house", "ein Haus"), turns("two boats", "zwei Boote")]
COUNTS = TokenCounts(rows=4, prompts=[10, 20, 30, 40], completions=[5, 6, None, 9])


@pytest.mark.parametrize(
    ("tokenizer", "examples"),
    [
        (tiny_tokenizers.byte_level_bpe, PLAIN),
        (tiny_tokenizers.byte_fallback_bpe, PLAIN),
        (tiny_chats.gemma, CHAT),
        (tiny_chats.qwen, CHAT),
    ],
)
def test_counts_are_those_of_the_rows_that_trl_prepares(tmp_path, tokenizer, examples):
    tokenizer = tokenizer()
    args = SFTConfig(str(tmp_path), use_cpu=True, bf16=False, report_to=[], eval_steps=1, **BEST)
    policy = new_policy(tokenizer, hidden_size=32, layers=1, heads=2)
    trainer = sft_trainer(policy, tokenizer, examples, examples, args=args)
    rows = [(len(row["input_ids"]), row["labels"].count(-100)) for row in trainer.train_dataset]
    counts = count_tokens(tokenizer, examples)
    assert counts.rows == len(rows) == 2
    assert counts.prompts == [prompt for _, prompt in rows]
    assert counts.completions == [whole - prompt for whole, prompt in rows]


def test_an_answer_is_counted_with_its_separator_and_its_end():
    """``th`` and ``e`` are one token in running text, and two where they meet in an example."""
    tokenizer = tiny_tokenizers.byte_level_bpe()
    counts = count_tokens(tokenizer, [("th\n", "e"), ("th", "犬")])
    assert counts.prompts == [len(tokenizer(text)["input_ids"]) for text in ("th\n", "th")]
    assert counts.completions == [2, len(tokenizer(" 犬")["input_ids"]) + 1]


def test_of_very_many_rows_some_are_counted(monkeypatch):
    monkeypatch.setattr(lengths, "MOST", 3)
    counts = count_tokens(tiny_tokenizers.byte_level_bpe(), [("a", None), ("b c", None)] * 4)
    assert counts.rows == 8
    assert len(counts.prompts) == 3  # every third of eight
    assert counts.completions == [None] * 3


def test_rows_over_a_limit():
    assert COUNTS.longest() == 49
    assert COUNTS.cut_as_a_whole(26) == 2  # 30 without an answer, 40 + 9
    assert COUNTS.cut_as_a_whole(25) == 3
    assert COUNTS.cut_as_a_whole(None) == 0
    assert COUNTS.cut_answers(6) == 1
    assert COUNTS.answers == [5, 6, 9]


def test_a_summary_has_counts_that_occur():
    assert spread([7]) == {"median": 7, "p95": 7, "max": 7}
    assert spread([4, 1, 3, 2]) == {"median": 2, "p95": 4, "max": 4}
    assert spread([]) == {}
    assert as_summary(COUNTS, max_length=26, cut=2) == {
        "measured": 4,
        "prompt": {"median": 20, "p95": 40, "max": 40},
        "completion": {"median": 6, "p95": 9, "max": 9},
        "max_length": 26,
        "cut": 2,
    }


def test_what_the_counts_mean_is_said():
    counts = COUNTS._replace(rows=4000)
    notes = [*length_notes(counts, cut=2, limit="max_length=26", positions=48)]
    assert notes[0].startswith("2 of 4 measured rows have more than max_length=26 tokens")
    assert notes[1] == "the longest row has 49 tokens, the model 48 positions"
    assert [*length_notes(COUNTS, cut=0, limit="max_length=64", positions=49)] == []


def test_a_limit_of_completions_is_compared_with_completions():
    """The longest reference has 9 tokens; the longest row, which is not what is cut, has 49."""
    notes = [*completion_notes(COUNTS, key="max_completion_length", limit=5, positions=44)]
    assert notes == [
        (
            "2 of 3 references have more than max_completion_length=5 tokens: translations of that "
            "length would be cut. The longest has 9"
        ),
        "prompt and translation may take 45 tokens, the model has 44 positions",
    ]
    assert [*completion_notes(COUNTS, key="max_new_tokens", limit=9, positions=49)] == []


def test_a_limit_below_every_reference_is_a_problem():
    key = "trainer.max_completion_length"
    assert nothing_fits(COUNTS, limit=5, key=key) == []
    assert [str(problem) for problem in nothing_fits(COUNTS, limit=4, key=key)] == [
        (
            "error[E062] trainer.max_completion_length: no reference fits in 4 tokens: the "
            "shortest has 5, end included. fix: max_completion_length: 9"
        )
    ]
    without = COUNTS._replace(completions=[None] * 4)
    assert nothing_fits(without, limit=1, key=key) == []
