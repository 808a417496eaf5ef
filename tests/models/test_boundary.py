# ruff: noqa: S106 - tokens of a vocabulary, not passwords
"""Prompt and answer meet at a token boundary, for every prompt style, tokenizer and template."""

import copy
import string
from functools import cache

import pytest
import tiny_chats
import tiny_tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from rewardlab.align import align, decode
from rewardlab.errors import UserError
from rewardlab.models.boundary import (
    answer_ids,
    answer_text,
    as_text,
    ids_before,
    prompt_ids,
    written_separator,
)
from rewardlab.text.prompts import PROMPTS, separator, without_separator, write_prompt
from rewardlab.token_credit import span_credit
from rewardlab.trainers.from_scratch import train_tokenizer
from rewardlab.types import ErrorSpan, SeverityTable

LANGUAGES = {"source_lang": "en", "target_lang": "es"}
FEW_SHOT = (
    "Translate this from English to Russian and Kirghiz:\nEnglish: Hi.\nRussian: Привет.\nKirghiz:"
)
GENERIC = "Q: Which river runs through Paris?\nA:"


@cache
def greedy_bpe():
    """Learned on text where a colon is followed by a quote, a dash or a word: all of them merge."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = ['Spanish:"Hola"', "Spanish:- uno", "Spanish:Hola", "Spanish: Hola", "> Hola", ". Hola"]
    tokenizer.train_from_iterator(texts * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


def llama():
    """SentencePiece with a space before the first word of a text."""
    return tiny_tokenizers.byte_fallback_bpe(prefix_space=True)


@cache
def with_both_ends():
    """Writes a beginning of sequence before every text and an end after it."""
    tokenizer = copy.deepcopy(tiny_tokenizers.byte_fallback_bpe(prefix_space=True))
    begin, end = tokenizer.convert_tokens_to_ids(["<bos>", "<eos>"])
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", begin), ("<eos>", end)]
    )
    return tokenizer


@cache
def from_scratch():
    return train_tokenizer(tiny_tokenizers.CORPUS, vocab_size=400)


LOSSLESS = (greedy_bpe, llama, with_both_ends, from_scratch, tiny_tokenizers.byte_fallback_bpe)
"""Their ids give the text back, character by character."""
NORMALISING = (
    tiny_tokenizers.byte_level_bpe,
    tiny_tokenizers.unigram,
    tiny_tokenizers.sentencepiece_unigram,
    tiny_tokenizers.wordpiece,
    tiny_tokenizers.word_suffix_bpe,
    tiny_tokenizers.whole_words,
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
WORDS = st.text(st.sampled_from(string.ascii_letters + ' \n\t:"-—«.¿1éü狗क्ा'), max_size=12)
PROMPTS_ASKED = st.one_of(
    st.builds(
        lambda style, source: write_prompt(style, source, **LANGUAGES),
        st.sampled_from([*PROMPTS]),
        WORDS,
    ),
    st.sampled_from([FEW_SHOT, GENERIC, "Spanish:", "中文：", "翻译成中文:", ""]),
    TEXTS,
)


def test_the_separator_is_where_pretrained_models_have_it():
    asked = {style: write_prompt(style, "Hi.", **LANGUAGES) for style in PROMPTS}
    assert {style: separator(prompt) for style, prompt in asked.items()} == {
        "translategemma": "\n",
        "lmt": " ",
        "lmt_released": " ",
        "cpt": " ",
        "arrow": "",
        "plain": "\n",
    }
    assert [separator(prompt) for prompt in (FEW_SHOT, GENERIC, "Chinese:")] == [" "] * 3
    assert [separator(prompt) for prompt in ("", "a ", "a\n", "a\t", "a\u3000")] == [""] * 5
    assert separator([{"role": "user", "content": "Spanish:"}]) == ""


@pytest.mark.parametrize("style", PROMPTS)
def test_a_prompt_is_read_to_the_character(style):
    source = " A source \n"
    prompt = write_prompt(style, source, **LANGUAGES)
    assert as_text(from_scratch(), prompt) == prompt
    assert from_scratch().decode(prompt_ids(from_scratch(), prompt)) == prompt
    assert separator(PROMPTS["translategemma"](source, **LANGUAGES)) == ""


@pytest.mark.parametrize("tokenizer", LOSSLESS)
@settings(deadline=None)
@given(prompt=PROMPTS_ASKED, answer=st.one_of(TEXTS, WORDS))
@example(prompt="Spanish:", answer='"Hola"')
@example(prompt="Spanish:", answer="- uno")
@example(prompt="Hi.\n=>es\n", answer='"Hola"')
@example(prompt="Hi.\n=>es\n", answer="\nHola")
@example(prompt="Spanish:", answer="狗跑过了旧桥。")
@example(prompt="trailing ", answer="Hola")
def test_the_joined_ids_are_prompt_separator_and_answer(tokenizer, prompt, answer):
    tokenizer = tokenizer()
    asked, learned = prompt_ids(tokenizer, prompt), answer_ids(tokenizer, prompt, answer)
    whole = tokenizer.decode([*asked, *learned], skip_special_tokens=True)
    assert whole == f"{prompt}{separator(prompt)}{answer}"
    assert tokenizer.decode(asked, skip_special_tokens=True) == prompt
    assert [learned.count(tokenizer.eos_token_id), learned[-1]] == [1, tokenizer.eos_token_id]
    assert tokenizer.eos_token_id not in asked
    assert tokenizer.bos_token_id is None or tokenizer.bos_token_id not in learned


@pytest.mark.parametrize("tokenizer", [*LOSSLESS, *NORMALISING])
@settings(deadline=None)
@given(prompt=PROMPTS_ASKED, answer=st.one_of(TEXTS, WORDS))
def test_a_learned_answer_comes_back_without_its_separator(tokenizer, prompt, answer):
    """And its text is the same in training (`decode`) and in decoding (`answer_text`)."""
    lossless, tokenizer = tokenizer in LOSSLESS, tokenizer()
    learned = answer_ids(tokenizer, prompt, answer)
    between = written_separator(tokenizer, prompt)
    text = answer_text(tokenizer, prompt, learned)
    decoded = decode(tokenizer, learned, after=ids_before(tokenizer, between))
    assert (decoded.text, len(decoded.starts)) == (text, len(learned))
    if lossless and separator(prompt):
        assert without_separator(prompt, text) == answer


@pytest.mark.parametrize("tokenizer", [*LOSSLESS, *NORMALISING])
def test_the_ids_of_a_prompt_do_not_depend_on_the_answer(tokenizer):
    """Sequences that one call on the whole text would write otherwise are among these."""
    tokenizer = tokenizer()
    alone = prompt_ids(tokenizer, "Spanish:")
    bare = tokenizer("Spanish:", add_special_tokens=False)["input_ids"]
    assert alone[len(alone) - len(bare) :] == bare
    assert answer_ids(tokenizer, "Spanish:", "Hola")[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("answer", ['"Hola"', "- uno", "Hola"])
def test_a_token_across_the_boundary_is_never_learned(answer):
    """What went wrong: the tokenizer writes one token for the colon and what follows it."""
    tokenizer = greedy_bpe()
    asked = prompt_ids(tokenizer, "Spanish:")
    merged = tokenizer(f"Spanish:{answer}")["input_ids"]
    assert merged[: len(asked)] != asked, "what this is about"
    spaced = tokenizer(f"Spanish: {answer}")["input_ids"]
    learned = answer_ids(tokenizer, "Spanish:", answer)
    assert tokenizer.decode(learned[:-1]) == f" {answer}"
    if spaced[: len(asked)] == asked:
        assert learned[:-1] == spaced[len(asked) :]


def test_the_first_token_of_an_answer_is_the_one_that_follows_in_running_text():
    """`` the`` is one token of byte-level BPE and of SentencePiece, which adds no second space."""
    words = {
        tiny_tokenizers.byte_level_bpe: ["Ġthe", "Ġdog"],
        tiny_tokenizers.byte_fallback_bpe: ["▁the", "▁dog"],
        llama: ["▁the", "▁dog"],
    }
    for tokenizer, tokens in words.items():
        model = tokenizer()
        learned = answer_ids(model, "English:", "the dog")
        assert model.convert_ids_to_tokens(learned) == [*tokens, model.eos_token]
    after_a_line = answer_ids(llama(), "English\n", "the dog")
    assert llama().convert_ids_to_tokens(after_a_line) == ["t", "he", "▁dog", "<eos>"]


@pytest.mark.parametrize(
    ("answer", "tokens", "credit"),
    [
        ("狗", ["Ġ", "ç", "ĭ", "Ĺ", "<eos>"], [0.0, -5.0, -5.0, -5.0, 0.0]),
        ("the dog", ["Ġthe", "Ġdog", "<eos>"], [-5.0, 0.0, 0.0]),
    ],
)
def test_a_separator_has_credit_only_as_part_of_a_word(answer, tokens, credit):
    """An error on the first character; the separator is a token, or part of the first word's."""
    tokenizer = from_scratch()
    ids = answer_ids(tokenizer, "Chinese:", answer)
    assert tokenizer.convert_ids_to_tokens(ids) == tokens
    found = decode(tokenizer, ids, after=ids_before(tokenizer, " "))
    assert found.text == f" {answer}"
    spans = align(
        [found.cut(1, len(found.text))],
        [[[ErrorSpan(0, 1, "major")]]],
        [SeverityTable("ours", {"major": 5.0})],
        length=len(ids),
    )
    assert span_credit(spans, 0)[0].tolist() == credit


# ── chats ───────────────────────────────────────────────────────────────────────────────────────

ASKED = [{"role": "user", "content": "the dog"}]
HOLA = [{"role": "assistant", "content": "Der Hund"}]
ZEPHYR = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
VICUNA = (
    "{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }}\n"
    "{% else %}ASSISTANT: {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
THINKS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>\n\n</think>\n\n{% endif %}"
)
"""Puts an empty block of reasoning into the prompt, and leaves it out of finished answers."""


def chatting(template, tokenizer=llama):
    chat = copy.deepcopy(tokenizer())
    chat.chat_template = template
    return chat


@pytest.mark.parametrize(
    ("template", "between", "written"),
    [
        (ZEPHYR, "\n", "<|user|>\nthe dog<eos>\n<|assistant|>\nDer Hund<eos>\n"),
        (VICUNA, " ", "USER: the dog\nASSISTANT: Der Hund<eos>"),
        (THINKS, "", "<user>the dog<eos><assistant><think>\n\n</think>\n\nDer Hund<eos>"),
        (
            tiny_chats.QWEN,
            "",
            (
                "<|im_start|>user\nthe dog<|im_end|>\n<|im_start|>assistant\n"
                "<think>\n\n</think>\n\nDer Hund<|im_end|>\n"
            ),
        ),
    ],
)
@pytest.mark.parametrize("tokenizer", [greedy_bpe, llama, from_scratch])
def test_a_chat_has_the_white_space_of_its_template(tokenizer, template, between, written):
    """The answer is learned where the model is asked for it, and read without that white space."""
    chat = chatting(template, tokenizer)
    asked, learned = prompt_ids(chat, ASKED), answer_ids(chat, ASKED, HOLA)
    assert written_separator(chat, ASKED) == between
    joined = chat.decode([*asked, *learned])
    assert joined.replace("<eos> ", "<eos>") == written  # Llama 2 writes a space after a token
    assert chat.decode(asked).replace("<eos> ", "<eos>") == as_text(chat, ASKED)
    end = learned.index(chat.eos_token_id) if chat.eos_token_id in learned else len(learned)
    text = answer_text(chat, ASKED, learned[:end])
    assert text.removesuffix("<|im_end|>\n") == "Der Hund"


def test_a_chat_without_a_template_says_so():
    with pytest.raises(UserError, match="E044"):
        prompt_ids(llama(), ASKED)
    with pytest.raises(UserError, match="E044"):
        written_separator(llama(), ASKED)
