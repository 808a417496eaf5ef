"""A trimmed vocabulary: kept text is encoded as before, and every other text still has a code."""

import json

import pytest
import tiny_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from rewardlab.checkpoints.vocabulary import (
    UntrimmableError,
    check_trimmable,
    kept_ids,
    merged,
    trimmed,
)

KINDS = {
    "byte_level": tiny_tokenizers.byte_level_bpe,
    "byte_fallback": tiny_tokenizers.byte_fallback_bpe,
    "unigram": tiny_tokenizers.unigram,
}
TEXTS = st.lists(
    st.one_of(st.sampled_from(tiny_tokenizers.CORPUS), st.text(max_size=20)),
    min_size=1,
    max_size=4,
)


def smaller(tokenizer, texts):
    """The trimmed tokenizer, and the old id of each new one."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    check_trimmable(whole)
    used = {id_ for text in texts for id_ in tokenizer(text)["input_ids"]}
    keep = kept_ids(whole, used, tokenizer.all_special_ids)
    return Tokenizer.from_str(json.dumps(trimmed(whole, keep))), keep


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(texts=TEXTS)
def test_kept_text_is_encoded_token_for_token_as_before(kind, texts):
    whole = KINDS[kind]()
    small, keep = smaller(whole, texts)
    for text in texts:
        assert [keep[id_] for id_ in small.encode(text).ids] == whole(text)["input_ids"]


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback"])
@settings(deadline=None, max_examples=60)
@given(other=st.text(max_size=30))
def test_other_text_survives_encoding_and_decoding(kind, other):
    whole = KINDS[kind]()
    small, _ = smaller(whole, ["The dog runs."])
    assert small.decode(small.encode(other).ids) == whole.backend_tokenizer.decode(
        whole(other)["input_ids"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_most_of_the_vocabulary_goes(kind):
    whole = KINDS[kind]()
    small, keep = smaller(whole, ["The dog runs."])
    assert len(keep) < len(whole)
    for token in small.get_vocab().keys() - whole.get_added_vocab().keys():
        text = token.replace("▁", " ").replace("Ġ", " ")
        byte = len(token) == 1 or token.startswith("<0x")
        assert byte or text.strip() in "The dog runs." or token in whole.all_special_tokens


def test_special_tokens_keep_their_meaning():
    whole = tiny_tokenizers.byte_level_bpe()
    small, keep = smaller(whole, ["The dog"])
    for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"):
        assert keep[small.token_to_id(token)] == whole.convert_tokens_to_ids(token)
    assert small.encode("<think>").ids == [small.token_to_id("<think>")]


def test_reserved_tokens_are_not_kept():
    added = [{"id": 1, "content": "<unused7>"}, {"id": 2, "content": "<start_of_turn>"}]
    model = {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 0}
    assert kept_ids({"model": model, "added_tokens": added}, [], []) == [0, 2]


@settings(deadline=None, max_examples=100)
@given(
    pairs=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=6),
    text=st.text("abc", max_size=12),
)
def test_merged_contains_what_the_library_forms(pairs, text):
    """Hand-made merges, in layers, so that merges of merges occur."""
    merges = list(dict.fromkeys(pairs))
    merges += [(left + right, right) for left, right in merges]
    merges = list(dict.fromkeys(merges))
    pieces = dict.fromkeys([*"abc", *(left + right for left, right in merges)])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    assert set(bpe.encode(text).tokens) <= merged(text, ranks)


def test_merges_are_applied_in_order_of_rank():
    ranks = {("a", "b"): 1, ("b", "c"): 0, ("a", "bc"): 2}
    assert merged("abc", ranks) == {"a", "b", "c", "bc", "abc"}  # "ab" is never formed


def test_merges_written_as_texts_are_read():
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]}
    content = {"model": model | {"unk_token": None}, "added_tokens": [], "post_processor": None}
    assert kept_ids(content, [2], []) == [0, 1, 2, 3]
    assert trimmed(content, [0, 1, 2])["model"]["merges"] == [["a", "b"]]


@pytest.mark.parametrize(
    ("model", "why"),
    [({"type": "WordPiece"}, "WordPiece"), ({"type": "BPE", "dropout": 0.1}, "drop")],
)
def test_other_kinds_are_refused(model, why):
    with pytest.raises(UntrimmableError, match=why):
        check_trimmable({"model": model})
