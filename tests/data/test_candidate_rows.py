"""Rows of a data set become candidates in one way; what cannot is named before the first step."""

import math

import numpy as np
import pytest
from datasets import Dataset

from rewardlab.adapters.trl import candidates_of
from rewardlab.data.candidate_rows import candidate_of, candidates_from, check_dataset, last_text
from rewardlab.errors import UserError

BLOCKS = [{"role": "user", "content": [{"type": "text", "text": "Translate: Hej"}]}]


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ("Translate: Hej", "Translate: Hej"),
        (BLOCKS, "Translate: Hej"),
        ([{"role": "system", "content": "Be brief."}, *BLOCKS], "Translate: Hej"),
        ([*BLOCKS, {"role": "assistant", "content": "<answer>"}], "Translate: Hej"),
        (
            [
                *BLOCKS,
                {"role": "assistant", "content": None, "tool_calls": []},
                {"role": "tool", "content": "hello"},
            ],
            "Translate: Hej",
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "text": None},
                        {"type": "text", "text": "Hej "},
                        {"type": "text", "text": "du"},
                    ],
                }
            ],
            "Hej du",
        ),
        ([{"role": "developer", "content": "Hej"}], "Hej"),
        ([], ""),
    ],
)
def test_rewards_see_the_text_of_the_last_user_message(messages, text):
    assert last_text(messages, "user") == text


def test_what_is_missing_is_none():
    row = {
        "source": np.str_("Hej"),
        "reference": math.nan,
        "source_lang": None,
        "target_lang": np.float64("nan"),
        "id": math.nan,
        "domain": "news",
        "prompt": "P",
    }
    (found,) = candidates_from([row], prompts=[BLOCKS], hypotheses=["Hello"])
    assert (found.source, found.hypothesis, found.prompt) == ("Hej", "Hello", "Translate: Hej")
    assert (found.reference, found.source_lang, found.target_lang, found.id) == (None,) * 3 + ("",)
    assert found.extra == {"domain": "news"}
    assert candidate_of({"source": "Hej", "id": 7}, "P", "Hi").id == "7"


UNFIT = [
    ("source", None, "nothing is not a text", "leave out rows without a source"),
    ("source", math.nan, "the number nan is not a text", "leave out rows without a source"),
    ("source", 5, "the integer 5 is not a text", "a text: str(row['source'])"),
    ("source", b"Hej", "the value b'Hej' is not a text", "decode it: row['source'].decode()"),
    ("reference", ["a", "b"], "a list is not a text", "keep one text: row['reference'][0]"),
    ("target_lang", 3, "the integer 3 is not a text", "a text: str(row['target_lang'])"),
]


@pytest.mark.parametrize(("column", "value", "what", "fix"), UNFIT)
def test_a_value_that_is_no_text_is_named_with_its_row(column, value, what, fix):
    rows = [{"source": "Hej"}, {"source": "Hej", column: value}, {"source": "Hej", column: value}]
    with pytest.raises(UserError) as caught:
        candidates_from(rows, prompts=["P"] * 3, hypotheses=["H"] * 3)
    message = (
        f"error[E109] {column}: row 1 of the batch: {what}; 2 of 3 rows; first 2: 1, 2. fix: {fix}"
    )
    assert str(caught.value) == message
    assert caught.value.exit_code == 3
    columns = {name: [row.get(name) for row in rows] for name in {"source", column}}
    with pytest.raises(UserError) as from_trl:
        candidates_of(["P"] * 3, ["H"] * 3, columns)
    assert str(from_trl.value) == message, "one conversion for trainer and adapter"


@pytest.mark.parametrize("prompt", [5, None, [5], {"role": "user"}, [{"content": 5}]])
def test_a_prompt_that_is_neither_text_nor_messages_is_refused(prompt):
    with pytest.raises(
        UserError, match=r"E109\] prompt: row 0 of the batch: .* is not a text or a list"
    ):
        candidates_from([{"source": "a"}], prompts=[prompt], hypotheses=["b"])


def test_a_row_of_a_batch_is_named_by_its_id():
    columns = {"source": ["Hej", None], "id": ["news-1", "news-2"]}
    with pytest.raises(UserError, match=r"E109\] source: row 1 of the batch \(id 'news-2'\): noth"):
        candidates_of(["P"] * 2, ["H"] * 2, columns)


def test_columns_of_another_length_are_named():
    with pytest.raises(UserError, match=r"E109\] source: 1 values for 2 rows"):
        candidates_of(["P"] * 2, ["C"] * 2, {"source": ["a"]})


# ── data sets ───────────────────────────────────────────────────────────────────────────────────


def test_every_row_of_a_data_set_is_checked():
    rows = [{"prompt": "P", "source": "a", "reference": "b"}] * 999
    check_dataset(Dataset.from_list(rows), ["chrf"])
    rows = [*rows, {"prompt": "P", "source": None, "reference": "b"}]
    with pytest.raises(UserError) as caught:
        check_dataset(Dataset.from_list(rows), ["chrf"])
    assert str(caught.value) == (
        "error[E109] train_dataset.source: row 999: nothing is not a text. "
        "fix: leave out rows without a source"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"source": "a", "reference": ["b"]}], "E109] train_dataset.reference: row 0: a list"),
        ([{"source": 5, "reference": "b"}], "E109] train_dataset.source: row 0: the integer 5"),
        (
            [{"text": "a", "reference": "b"}],
            "E109] train_dataset: there is no column 'source'; the columns are reference, text",
        ),
        ([{"source": "a"}], "E032] train_dataset: chrf reads references, and there is no column"),
        (
            [{"source": "a", "reference": None}],
            "E032] train_dataset: chrf reads references, and reference is empty in every row",
        ),
    ],
)
def test_what_a_data_set_lacks_is_said_before_the_first_step(rows, message):
    with pytest.raises(UserError) as caught:
        check_dataset(Dataset.from_list(rows), ["chrf"])
    assert str(caught.value).startswith(f"error[{message}")


def test_streams_are_checked_batch_by_batch():
    stream = Dataset.from_list([{"source": None, "reference": "b"}]).to_iterable_dataset()
    check_dataset(stream, ["chrf"])
    check_dataset(None, ["chrf"])
