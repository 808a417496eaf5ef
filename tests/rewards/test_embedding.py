"""Cosines of sentence embeddings, against transformers and numpy alone."""

import numpy as np
import pytest
import tiny_checkpoints
import torch
from transformers import AutoModel, AutoTokenizer

from rewardlab.errors import UserError
from rewardlab.rewards import Embedding
from rewardlab.rewards.registry import parse_reward
from rewardlab.types import Candidate, Status

PATH = tiny_checkpoints.for_the_contract(tiny_checkpoints.xlm_r)


def alone(text):
    """The mean of the last hidden states of one text."""
    tokenizer = AutoTokenizer.from_pretrained(str(PATH))
    model = AutoModel.from_pretrained(str(PATH)).eval()
    with torch.no_grad():
        batch = tokenizer([f"query: {text}"], return_tensors="pt")
        hidden = model(**batch).last_hidden_state[0]
    return hidden.mean(0).numpy().astype(np.float64)


def cosine(one, other):
    a, b = alone(one), alone(other)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_the_score_is_the_cosine_of_the_means_whatever_the_batch():
    rows = [
        Candidate("The dog runs.", "Der Hund läuft.", reference="Der Hund rennt."),
        Candidate("Yes.", "Ja.", reference="Die Übersetzung ist nicht schön genug, sagte sie."),
    ]
    found = Embedding(model=PATH, batch_tokens=8)(rows)
    expected = [cosine(row.hypothesis, row.reference) for row in rows]
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    by_source = Embedding(model=PATH, mode="source")(rows)
    expected = [cosine(row.hypothesis, row.source) for row in rows]
    np.testing.assert_allclose(by_source.scores, expected, atol=1e-5)


def test_a_row_without_reference_is_not_applicable():
    rows = [Candidate("Yes.", "Ja."), Candidate("Yes.", "Ja.", reference="Ja.")]
    found = Embedding(model=PATH)(rows)
    assert found.status == [Status.NOT_APPLICABLE, Status.OK]
    assert found.scores[1] == pytest.approx(1.0)
    assert Embedding(model=PATH)([]).scores.shape == (0,)


def test_an_empty_hypothesis_has_the_lowest_score():
    assert Embedding(model=PATH)([Candidate("Yes.", " ", reference="Ja.")]).scores[0] == -1.0


def test_long_texts_are_truncated_and_counted():
    long = "Der Hund läuft. " * 400
    found = Embedding(model=PATH)([Candidate("Yes.", long, reference="Ja.")])
    assert found.components["truncated"].tolist() == [1.0]


def test_options_and_checkpoints_that_cannot_be_used(tmp_path):
    with pytest.raises(UserError, match="E103"):
        parse_reward(f"embedding:model={PATH},mode=both")
    with pytest.raises(UserError, match="E080"):
        Embedding(model=tmp_path)([Candidate("Yes.", "Ja.", reference="Ja.")])
    (tmp_path / "config.json").write_text((PATH / "config.json").read_text())
    with pytest.raises(UserError, match="E304"):
        Embedding(model=tmp_path)([Candidate("Yes.", "Ja.", reference="Ja.")])
