import os
import random
import sys
from collections import Counter

import numpy as np
import pytest
import tiny_tokenizers
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from rewardlab.align import Decoded, align, decode
from rewardlab.token_text import Speller
from rewardlab.types import WMT_MQM, XCOMET, ErrorSpan

EXAMPLES = int(os.environ.get("REWARDLAB_EXAMPLES", "2000"))  # per family; a release runs 50,000
SPANS = 5 if EXAMPLES <= 2000 else 10
THOROUGH = settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
QUICK = settings(max_examples=EXAMPLES // 10, deadline=None, derandomize=True)

FAMILIES = {
    "byte-level": tiny_tokenizers.byte_level_bpe,
    "unigram": tiny_tokenizers.unigram,
    "byte-fallback": tiny_tokenizers.byte_fallback_bpe,
    "wordpiece": tiny_tokenizers.wordpiece,
}
VARIANTS = {
    "t5": tiny_tokenizers.sentencepiece_unigram,
    "llama": lambda: tiny_tokenizers.byte_fallback_bpe(prefix_space=True),
    "word-suffix": tiny_tokenizers.word_suffix_bpe,
    "no-decoder": tiny_tokenizers.whole_words,
}


def families(**more):
    named = {**FAMILIES, **more}
    return pytest.mark.parametrize("family", [pytest.param(named[name], id=name) for name in named])


# -- what a policy may sample ------------------------------------------------------------------

FRAGMENTS = sorted(
    {word for sentence in tiny_tokenizers.CORPUS for word in sentence.split()}
    | {character for sentence in tiny_tokenizers.CORPUS for character in sentence}
    | {"  ", "\n", " ##a", "▁", "</w>", "<0xF0>", "�", "\u0301", "\u200d", "🐉", "<think>", " n't"}
)
# A list drawn element by element costs hypothesis milliseconds; two bytes an element cost nothing.


def choices(count, size):
    """At most ``size`` numbers below ``count``."""
    return st.binary(max_size=2 * size).map(
        lambda raw: [int.from_bytes(raw[at : at + 2]) % count for at in range(0, len(raw), 2)]
    )


texts = st.tuples(st.sampled_from(["", " "]), choices(len(FRAGMENTS), 14), st.text(max_size=6)).map(
    lambda drawn: drawn[0].join([FRAGMENTS[index] for index in drawn[1]] + [drawn[2]])
)


def sampled_ids(tokenizer):
    """Ids as encoded, ids no encoder would choose, and both with special tokens between them."""
    canonical = texts.map(lambda text: tokenizer(text).input_ids)
    arbitrary = choices(len(tokenizer) + 3, 20)
    specials = st.sampled_from([[], tokenizer.all_special_ids])
    return canonical | st.tuples(canonical, specials, arbitrary).map(
        lambda parts: [number for part in parts for number in part]
    )


def spans_of(text, seed):
    chosen = random.Random(seed)  # noqa: S311
    starts = [chosen.randrange(len(text)) for _ in range(SPANS)]
    return [ErrorSpan(start, chosen.randint(start + 1, len(text)), "major") for start in starts]


# -- the invariant: spans meet the sampled ids -------------------------------------------------


@families()
@THOROUGH
@given(data=st.data())
def test_spans_meet_the_sampled_ids(family, data):
    tokenizer = family()
    ids = data.draw(sampled_ids(tokenizer))
    decoded = decode(tokenizer, ids)

    assert decoded.aligned
    assert decoded.text == tokenizer.decode(ids, skip_special_tokens=True)
    assert len(decoded.starts) == len(decoded.ends) == len(ids)
    assume(decoded.text)

    spans = spans_of(decoded.text, seed=data.draw(st.integers(0, 2**32)))
    aligned = align([decoded], [[spans]], [WMT_MQM], length=len(ids) + 3)
    assert (aligned.found, aligned.total) == (SPANS, SPANS)
    assert aligned.visible.shape == (1, len(ids) + 3)
    visible = set(torch.nonzero(aligned.visible[0]).flatten().tolist())
    written = [
        set(range(start, end)) for start, end in zip(decoded.starts, decoded.ends, strict=True)
    ]
    assert visible == {token for token, characters in enumerate(written) if characters}
    for span, first, end in zip(spans, aligned.starts, aligned.ends, strict=True):
        wanted = set(range(span.start, span.end))
        selected = set(range(int(first), int(end))) & visible
        assert wanted <= set().union(*(written[token] for token in selected))
        assert selected == {token for token in visible if written[token] & wanted}


@families(**VARIANTS)
@QUICK
@given(data=st.data())
def test_every_character_has_a_token_and_order_is_kept(family, data):
    tokenizer = family()
    ids = data.draw(sampled_ids(tokenizer))
    decoded = decode(tokenizer, ids)
    assert decoded.aligned
    visible = decoded.ends > decoded.starts
    starts, ends = decoded.starts[visible], decoded.ends[visible]
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(ends) >= 0).all()
    assert sorted(set(range(len(decoded.text)))) == sorted(
        {character for pair in zip(starts, ends, strict=True) for character in range(*pair)}
    )


# -- offsets against two oracles that know nothing of decoders ---------------------------------


@families(t5=VARIANTS["t5"], llama=VARIANTS["llama"])
@QUICK
@given(data=st.data())
def test_offsets_are_the_lengths_of_decoded_prefixes(family, data):
    """Decoding ever longer prefixes: quadratic, and exact wherever a prefix is settled."""
    tokenizer = family()
    ids = data.draw(sampled_ids(tokenizer))
    decoded = decode(tokenizer, ids)
    special = set(tokenizer.all_special_ids)
    pending = False  # the prefix ends in a run of byte tokens whose meaning is still open
    before = ""
    for position, number in enumerate(ids):
        start, end = int(decoded.starts[position]), int(decoded.ends[position])
        token = tokenizer.convert_ids_to_tokens(number) if number < len(tokenizer) else None
        if token is None or number in special:
            assert start == end
            continue
        prefix = tokenizer.decode(ids[: position + 1], skip_special_tokens=True)
        is_byte = token.startswith("<0x")
        if not is_byte:
            assert end == len(prefix)
        if not (pending and is_byte):
            # A character begun by earlier tokens and finished, or spoilt, by this one is shared.
            common = len(os.path.commonprefix([before, decoded.text]))  # noqa: RUF071
            assert start == common or (start == common - 1 and decoded.text[start] == "\ufffd")
        pending, before = is_byte, prefix


@families(llama=VARIANTS["llama"])  # T5's encoder gives the mark between words the next character
@QUICK
@given(text=texts)
def test_canonical_ids_have_the_encoders_offsets(family, text):
    tokenizer = family()
    text = tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    decoded = decode(tokenizer, encoded.input_ids)
    assume(decoded.text == text)
    for position, (start, end) in enumerate(encoded.offset_mapping):
        if decoded.starts[position] == decoded.ends[position]:
            # The mark that encoding put first; the encoder lends it the first character.
            assert (position, start, end) == (0, 0, 1)
            continue
        # BERT leaves out the space before a word, which our token carries.
        carried = text[decoded.starts[position] : start].strip(" ")
        assert (carried, decoded.ends[position]) == ("", end)


# -- each family by hand -----------------------------------------------------------------------


def tokenizer_of(tokens, decoder, special=("</s>",)):
    """Token ``i`` of the list has id ``i``."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=tokens[0]))
    if decoder is not None:
        backend.decoder = decoder
    backend.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def ranges(decoded):
    return list(zip(decoded.starts.tolist(), decoded.ends.tolist(), strict=True))


def llama_decoder():
    return decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )


BY_HAND = {
    "an emoji of four byte tokens belongs to each of them": (
        decoders.ByteLevel(),
        ["Hi", "Ġ", "ð", "Ł", "ĳ", "į", "</s>"],
        "Hi 👍",
        [(0, 2), (2, 3), (3, 4), (3, 4), (3, 4), (3, 4), (4, 4)],
    ),
    "a special token within a character has no width": (
        decoders.ByteLevel(),
        ["ð", "Ł", "</s>", "ĳ", "į"],
        "👍",
        [(0, 1), (0, 1), (0, 0), (0, 1), (0, 1)],
    ),
    "a character cut short is one replacement, and the next token is whole": (
        decoders.ByteLevel(),
        ["ð", "Ł", "H"],
        "\ufffdH",
        [(0, 1), (0, 1), (1, 2)],
    ),
    "bytes that begin no character are one replacement each": (
        decoders.ByteLevel(),
        ["ÿ", "į", "H"],
        "\ufffd\ufffdH",
        [(0, 1), (1, 2), (2, 3)],
    ),
    "a token may finish one character and begin another": (
        decoders.ByteLevel(),
        ["Ã", "±Ã", "±"],
        "ññ",
        [(0, 1), (0, 2), (1, 2)],
    ),
    "a token of no bytes has no width, within a character or before the first": (
        decoders.ByteLevel(),
        ["", "Ã", "", "±"],
        "ñ",
        [(0, 0), (0, 1), (0, 0), (0, 1)],
    ),
    "a token with a sign outside the byte alphabet is plain text": (
        decoders.ByteLevel(),
        ["a", "你 b", "Ġ"],
        "a你 b ",
        [(0, 1), (1, 4), (4, 5)],
    ),
    "the space before a word is the word's": (
        decoders.ByteLevel(),
        ["ĠThe", "Ġdog", "."],
        " The dog.",
        [(0, 4), (4, 8), (8, 9)],
    ),
    "the first mark of Metaspace is no space": (
        decoders.Metaspace(),
        ["▁Der", "▁H", "und", "▁"],
        "Der Hund ",
        [(0, 3), (3, 5), (5, 8), (8, 9)],
    ),
    "a first token that is all mark has no width": (
        decoders.Metaspace(),
        ["▁", "Der"],
        "Der",
        [(0, 0), (0, 3)],
    ),
    "first means the first that is not special": (
        decoders.Metaspace(),
        ["</s>", "▁Der"],
        "Der",
        [(0, 0), (0, 3)],
    ),
    "Metaspace without a prefix keeps every space": (
        decoders.Metaspace(prepend_scheme="never"),
        ["▁Der", "▁H"],
        " Der H",
        [(0, 4), (4, 6)],
    ),
    "byte tokens share their character, and the first space is stripped": (
        llama_decoder(),
        ["▁a", "<0xC3>", "<0xB1>", "▁b"],
        "añ b",
        [(0, 1), (1, 2), (1, 2), (2, 4)],
    ),
    "an incomplete run of byte tokens is one replacement per token": (
        llama_decoder(),
        ["<0xF0>", "<0x9F>", "▁x"],
        "\ufffd\ufffd x",
        [(0, 1), (1, 2), (2, 4)],
    ),
    "a run goes on across a special token": (
        llama_decoder(),
        ["x", "<0xC3>", "</s>", "<0xB1>"],
        "xñ",
        [(0, 1), (1, 2), (1, 1), (1, 2)],
    ),
    "one invalid byte spoils its whole run": (
        llama_decoder(),
        ["<0x41>", "<0xFF>", "x"],
        "\ufffd\ufffdx",
        [(0, 1), (1, 2), (2, 3)],
    ),
    "WordPiece joins continuations and closes up punctuation": (
        decoders.WordPiece(),
        ["un", "##schön", ".", "Ja"],
        "unschön. Ja",
        [(0, 2), (2, 7), (7, 8), (8, 11)],
    ),
    "WordPiece keeps the prefix of a first token": (
        decoders.WordPiece(),
        ["##a", "##b"],
        "##ab",
        [(0, 3), (3, 4)],
    ),
    "WordPiece without cleanup": (
        decoders.WordPiece(cleanup=False),
        ["Ja", "."],
        "Ja .",
        [(0, 2), (2, 4)],
    ),
    "no decoder: spaces between tokens": (None, ["a", "bc"], "a bc", [(0, 1), (1, 4)]),
    "tokens under one replacement share it": (
        decoders.Sequence([decoders.Fuse(), decoders.Replace("ab", "xyz")]),
        ["a", "b", "c"],
        "xyzc",
        [(0, 3), (0, 3), (3, 4)],
    ),
    "a token edited away has no width": (
        decoders.Sequence([decoders.Fuse(), decoders.Replace("b", "")]),
        ["a", "b", "c"],
        "ac",
        [(0, 1), (1, 1), (1, 2)],
    ),
    "a pattern across tokens": (
        decoders.Sequence([decoders.Fuse(), decoders.Replace(Regex(" +"), " ")]),
        ["a ", "", " b", " c"],
        "a b c",
        [(0, 2), (1, 1), (1, 3), (3, 5)],
    ),
    "what a pattern inserts is written by the token it stands before": (
        decoders.Sequence([decoders.Fuse(), decoders.Replace(Regex("(?=b)"), "--")]),
        ["a", "b", "c"],
        "a--bc",
        [(0, 1), (1, 4), (4, 5)],
    ),
    "a number with a sign is a byte": (
        llama_decoder(),
        ["<0x+A>", "<0x4G>"],
        "\n<0x4G>",
        [(0, 1), (1, 7)],
    ),
    "both ends stripped": (
        decoders.Sequence([decoders.Fuse(), decoders.Strip("_", 1, 2)]),
        ["__a", "_", "_", "_"],
        "_a_",
        [(0, 2), (2, 3), (3, 3), (3, 3)],
    ),
}


@pytest.mark.parametrize("case", BY_HAND.values(), ids=BY_HAND.keys())
def test_by_hand(case):
    decoder, tokens, text, expected = case
    vocabulary = list(dict.fromkeys(tokens))
    tokenizer = tokenizer_of(vocabulary, decoder)
    ids = tokenizer.convert_tokens_to_ids(tokens)
    decoded = decode(tokenizer, ids)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert (decoded.text, ranges(decoded), decoded.aligned) == (text, expected, True)


@QUICK
@given(data=st.lists(st.sampled_from([*b"aZ\x80\x8d\x9f\xa0\xbf\xc0\xc3\xe0\xe2\xed\xf0\xf4\xff"])))
def test_invalid_utf8_is_replaced_as_rust_does(data):
    tokenizer = tiny_tokenizers.byte_level_bpe()
    letters = dict(zip(range(0x7F, 0xA1), range(0x121, 0x143), strict=True))
    ids = tokenizer.convert_tokens_to_ids([chr(letters.get(byte, byte)) for byte in data])
    decoded = decode(tokenizer, ids)
    assert decoded.aligned
    assert decoded.text == bytes(data).decode("utf-8", "replace")


# -- vocabulary --------------------------------------------------------------------------------


def test_nothing_sampled():
    decoded = decode(tiny_tokenizers.byte_level_bpe(), [])
    assert (decoded.text, ranges(decoded), decoded.aligned) == ("", [], True)


def test_ids_outside_the_vocabulary_have_no_width():
    tokenizer = tokenizer_of(["▁a", "▁b"], decoders.Metaspace())
    assert ranges(decode(tokenizer, [0, 777, 1])) == [(0, 1), (1, 1), (1, 3)]


def test_a_label_is_no_id():
    with pytest.raises(OverflowError):
        decode(tiny_tokenizers.unigram(), [5, -100])


def test_an_added_token_is_text_unless_it_is_special():
    tokenizer = tiny_tokenizers.byte_level_bpe()
    ids = tokenizer.convert_tokens_to_ids(["<think>", "a", "<|im_end|>", "</think>"])
    decoded = decode(tokenizer, ids)
    assert decoded.text == "<think>a</think>"
    assert ranges(decoded) == [(0, 7), (7, 8), (8, 8), (8, 16)]


def test_an_added_token_is_spelled_as_it_was_normalised():
    backend = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))  # noqa: S106
    backend.normalizer = normalizers.Lowercase()
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens([AddedToken("LOUD", normalized=True)])
    decoded = decode(PreTrainedTokenizerFast(tokenizer_object=backend), [0, 1])
    assert (decoded.text, ranges(decoded), decoded.aligned) == ("aloud", [(0, 1), (1, 5)], True)


def test_a_tokenizer_may_change_between_calls():
    tokenizer = tokenizer_of(["▁a", "▁b"], decoders.Metaspace())
    assert decode(tokenizer, [0, 1]).text == "a b"
    tokenizer.add_tokens(["new"])
    assert ranges(decode(tokenizer, [0, 3])) == [(0, 1), (1, 4)]
    tokenizer.backend_tokenizer.decoder = decoders.Fuse()
    decoded = decode(tokenizer, [0, 1])
    assert (decoded.text, ranges(decoded)) == ("▁a▁b", [(0, 2), (2, 4)])
    tokenizer.add_special_tokens({"pad_token": "▁b"})
    decoded = decode(tokenizer, [0, 1])
    assert (decoded.text, ranges(decoded)) == ("▁a", [(0, 2), (2, 2)])


@pytest.mark.parametrize("kind", [tuple, np.array, torch.tensor])
def test_ids_come_in_any_kind_of_sequence(kind):
    tokenizer = tokenizer_of(["▁a", "▁b"], decoders.Metaspace())
    assert ranges(decode(tokenizer, kind([0, 1]))) == [(0, 1), (1, 3)]


# -- decoders that are not understood ----------------------------------------------------------


class Shouting:
    def decode_chain(self, tokens):
        return [token.upper() for token in tokens]


class Backwards:
    def decode_chain(self, tokens):
        return tokens[::-1]


STREAMED = {
    "the space after a word is the next one's": (
        decoders.BPEDecoder(),
        ["Hund</w>", "läu", "ft</w>"],
        "Hund läuft",
        [(0, 4), (4, 8), (8, 10)],
    ),
    "CTC, where a token said again and the padding write nothing": (
        decoders.CTC("_"),
        ["a", "a", "_", "a", "</s>", "b", "b"],
        "aab",
        [(0, 1), (1, 2), (1, 2), (1, 2), (2, 2), (2, 3), (3, 3)],
    ),
    "bytes after a merge, where a token that makes the text shorter waits for the next": (
        decoders.Sequence([decoders.Fuse(), decoders.ByteFallback()]),
        ["<0x41", ">", "b"],
        "<0x41>b",
        [(0, 5), (5, 7), (5, 7)],
    ),
    "an empty pattern": (
        decoders.Sequence([decoders.Fuse(), decoders.Replace(Regex("x*"), "-")]),
        ["a", "b"],
        "-a-b-",
        [(0, 3), (3, 5)],
    ),
    "Python": (
        decoders.Decoder.custom(Shouting()),
        ["a", "bc", "d"],
        "ABCD",
        [(0, 1), (1, 3), (3, 4)],
    ),
}


@pytest.mark.parametrize("case", STREAMED.values(), ids=STREAMED.keys())
def test_decoders_that_are_not_understood_are_streamed(case):
    decoder, tokens, text, expected = case
    tokenizer = tokenizer_of(list(dict.fromkeys(tokens)), None)
    tokenizer.backend_tokenizer.decoder = decoder
    ids = tokenizer.convert_tokens_to_ids(tokens)
    decoded = decode(tokenizer, ids)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert (decoded.text, ranges(decoded), decoded.aligned) == (text, expected, True)


def streamed(tokenizer, ids):
    """What the library's stream makes of ids, though the rules understand the decoder."""
    speller = Speller(tokenizer.backend_tokenizer)
    speller._steps = None
    return speller.spell(ids)


@families(t5=VARIANTS["t5"], llama=VARIANTS["llama"], none=VARIANTS["no-decoder"])
@QUICK
@given(data=st.data())
def test_streamed_offsets_contain_those_of_the_rules(family, data):
    """The same text and coverage; wider only for tokens that waited for each other."""
    tokenizer = family()
    ids = data.draw(sampled_ids(tokenizer))
    decoded, found = decode(tokenizer, ids), streamed(tokenizer, ids)
    if found is None or found[0] != decoded.text:
        # A run of byte tokens whose text changes when a further byte makes it invalid.
        assert "\ufffd" in decoded.text
        assert any(token.startswith("<0x") for token in tokenizer.convert_ids_to_tokens(ids))
        return
    wide = list(zip(found[1].tolist(), found[2].tolist(), strict=True))
    shared = Counter(pair for pair in wide if pair[0] < pair[1])
    for (start, end), exact in zip(wide, ranges(decoded), strict=True):
        if exact[0] < exact[1]:
            assert start <= exact[0] < exact[1] <= end
        if shared[start, end] == 1:
            assert (start, end) == exact
    covered = {character for pair in wide for character in range(*pair)}
    assert covered == set(range(len(decoded.text)))


@pytest.mark.parametrize(
    ("decoder", "text"),
    [(decoders.Decoder.custom(Backwards()), "ba"), (decoders.BPEDecoder(""), " a b")],
    ids=["backwards", "empty suffix"],
)
def test_a_text_whose_beginning_changes_is_not_aligned(decoder, text):
    tokenizer = tokenizer_of(["a", "b"], None)
    tokenizer.backend_tokenizer.decoder = decoder
    decoded = decode(tokenizer, [0, 1])
    assert decoded.text == tokenizer.decode([0, 1], skip_special_tokens=True) == text
    assert not decoded.aligned
    assert ranges(decoded) == [(0, 0), (0, 0)]


def test_a_long_wait_for_a_character_is_given_up():
    tokenizer = tokenizer_of(["a", "_"], None)
    tokenizer.backend_tokenizer.decoder = decoders.CTC("_")
    assert ranges(decode(tokenizer, [1] * 63 + [0])) == [(0, 1)] * 64
    given_up = decode(tokenizer, [1] * 64 + [0])
    assert (given_up.text, given_up.aligned) == ("a", False)


def test_a_tokenizer_without_a_backend_aligns_nothing():
    class Bytes:
        def decode(self, ids, *, skip_special_tokens):
            return bytes(ids).decode()

    decoded = decode(Bytes(), [72, 105])
    assert (decoded.text, decoded.aligned) == ("Hi", False)


def test_clean_up_after_decoding_aligns_only_what_it_left_alone():
    tokenizer = tokenizer_of(["▁a", "▁.", "▁b"], decoders.Metaspace())
    tokenizer.clean_up_tokenization_spaces = True
    cleaned = decode(tokenizer, [0, 1])
    assert (cleaned.text, cleaned.aligned) == ("a.", False)
    assert decode(tokenizer, [0, 2]).aligned


# -- cut ---------------------------------------------------------------------------------------


def completion():
    """``<t>`` [0, 3), ``no`` [3, 5), ``</t>`` [5, 9), `` Hu`` [9, 12), ``nd`` [12, 14), end."""
    tokenizer = tokenizer_of(["<t>", "no", "</t>", "ĠHu", "nd", "</s>"], decoders.ByteLevel())
    return decode(tokenizer, [0, 1, 2, 3, 4, 5])


def test_cut_keeps_the_tokens_and_moves_the_offsets():
    hypothesis = completion().cut(10, 14)
    assert hypothesis.text == "Hund"
    assert ranges(hypothesis) == [(0, 0), (0, 0), (0, 0), (0, 2), (2, 4), (4, 4)]
    assert hypothesis.aligned


def test_cut_twice_is_cut_once():
    once, twice = completion().cut(5, 12), completion().cut(3, 13).cut(2, 9)
    assert (once.text, ranges(once)) == (twice.text, ranges(twice))


def test_cut_before_the_hypothesis_ends_shows_nothing_after():
    hypothesis = completion().cut(3, 4)
    assert hypothesis.text == "n"
    assert ranges(hypothesis) == [(0, 0), (0, 1), (1, 1), (1, 1), (1, 1), (1, 1)]


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 15)])
def test_cut_outside_the_text(start, end):
    with pytest.raises(ValueError, match="does not lie within the 14 characters"):
        completion().cut(start, end)


# -- align -------------------------------------------------------------------------------------


def decoded_as(text, *pairs, aligned=True):
    starts, ends = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    return Decoded(text, starts, ends, aligned)


HUND = decoded_as("Der Hund", (0, 0), (0, 3), (3, 5), (5, 8), (8, 8))


def test_align_by_hand():
    second = decoded_as("你好", (0, 1), (0, 1), (1, 2))
    aligned = align(
        [HUND, second],
        [
            [
                [ErrorSpan(2, 4, "major"), ErrorSpan(0, 8, "minor", "Fluency/Punctuation")],
                [ErrorSpan(1, 3, "major", side="source")],
            ],
            [
                [],
                [
                    ErrorSpan(0, 1, "critical"),
                    ErrorSpan(0, 9, "minor", side="source"),
                    ErrorSpan(9, 20, "critical", side="source"),
                ],
            ],
        ],
        [WMT_MQM, XCOMET],
        length=6,
    )
    assert aligned.rows.tolist() == [0, 0, 1]
    assert aligned.columns.tolist() == [0, 0, 1]
    assert aligned.starts.tolist() == [1, 1, 0]
    assert aligned.ends.tolist() == [3, 4, 2]
    assert aligned.weights.tolist() == [5.0, 0.1, 10.0]
    assert aligned.omissions.tolist() == [[0.0, 5.0], [0.0, 11.0]]
    assert aligned.visible.int().tolist() == [[0, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]]
    assert (aligned.found, aligned.total) == (3, 3)
    assert {tensor.dtype for tensor in aligned[:3]} == {torch.int64}
    assert (aligned.weights.dtype, aligned.omissions.dtype) == (torch.float64, torch.float64)


def test_zero_width_tokens_inside_a_range_are_not_visible():
    thumb = decoded_as("👍", (0, 1), (0, 1), (0, 0), (0, 1), (0, 1))
    aligned = align([thumb], [[[ErrorSpan(0, 1, "minor")]]], [WMT_MQM], length=5)
    assert (aligned.starts.item(), aligned.ends.item()) == (0, 5)
    assert aligned.visible[0].tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("decoded", "span"),
    [
        (HUND, (8, 9)),
        (HUND, (6, 9)),
        (HUND, (50, 60)),
        (decoded_as("", (0, 0), (0, 0)), (0, 1)),
        (decoded_as("Der Hund", (0, 0), (0, 0), aligned=False), (0, 3)),
        (decoded_as("Der Hund", (0, 3), (4, 8)), (0, 8)),
        (decoded_as("Der Hund", (0, 3), (4, 8)), (3, 4)),
        (decoded_as("Der Hund", (1, 3), (3, 8)), (0, 3)),
        (decoded_as("Der Hund", (0, 3), (3, 7)), (4, 8)),
    ],
    ids=[
        "after the text",
        "over its end",
        "far away",
        "no text",
        "not aligned",
        "over a character without token",
        "only that character",
        "before the first token",
        "after the last token",
    ],
)
def test_what_cannot_be_placed_is_counted(decoded, span):
    sure = ErrorSpan(0, 1, "minor")
    other = decoded_as("x", (0, 1))
    aligned = align(
        [decoded, other], [[[ErrorSpan(*span, "major")]], [[sure]]], [WMT_MQM], length=5
    )
    assert (aligned.found, aligned.total) == (1, 2)
    assert aligned.rows.tolist() == [1]


def test_the_hole_in_one_place_does_not_matter_in_another():
    holed = decoded_as("abcde", (0, 1), (2, 3), (3, 4), (4, 5))
    spans = [ErrorSpan(2, 5, "major"), ErrorSpan(0, 1, "major"), ErrorSpan(0, 3, "major")]
    aligned = align([holed], [[spans]], [WMT_MQM], length=4)
    assert aligned.starts.tolist() == [1, 0]
    assert aligned.ends.tolist() == [4, 1]


def test_a_batch_without_spans():
    aligned = align([HUND], [[[], []]], [WMT_MQM, XCOMET], length=5)
    assert aligned.rows.shape == aligned.weights.shape == (0,)
    assert aligned.omissions.tolist() == [[0.0, 0.0]]
    assert (aligned.found, aligned.total) == (0, 0)


@pytest.mark.parametrize(
    ("spans", "length", "message"),
    [
        ([], 5, "spans of 0 rows for 1 decoded"),
        ([[[], []]], 5, "row 0 has spans of 2 rewards and there are 1 severity tables"),
        ([[[]]], 4, "row 0 has 5 tokens and the padded batch 4"),
    ],
)
def test_shapes_that_do_not_fit(spans, length, message):
    with pytest.raises(ValueError, match=message):
        align([HUND], spans, [WMT_MQM], length=length)


# -- cost --------------------------------------------------------------------------------------


def calls_of(function, *arguments):
    """How many functions, of Python and of C, one call enters."""
    count = 0

    def observe(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(observe)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


def adversarial(tokenizer):
    """Ids that make a careless decoder look back, or start again."""
    every = list(range(len(tokenizer)))
    tokens = tokenizer.convert_ids_to_tokens(every)
    invalid = [number for number, token in enumerate(tokens) if token in ("ÿ", "ð", "<0xFF>")]
    return {
        "every token": every,
        "special tokens": tokenizer.all_special_ids,
        "invalid bytes": invalid or [3],
        "bytes and text": [*invalid, tokens.index("a")],
    }


@families(**VARIANTS)
def test_cost_is_linear_in_the_number_of_tokens(family):
    tokenizer = family()
    for name, pattern in adversarial(tokenizer).items():
        short = pattern * (1 + 512 // len(pattern))
        decode(tokenizer, short)  # the vocabulary is read once
        once, more = calls_of(decode, tokenizer, short), calls_of(decode, tokenizer, short * 16)
        assert more <= 17 * once, name
