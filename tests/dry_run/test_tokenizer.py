"""A tokenizer against its model, its chat template and one row."""

import copy
import json
import shutil

import pytest
import tiny_checkpoints
import tiny_tokenizers
from tokenizers import decoders

from rewardlab.dry_run.tokenizer import (
    credit_problems,
    padding_notes,
    read_tokenizer,
    tokenizer_problems,
)
from rewardlab.errors import UserError

TURN = [{"role": "user", "content": "Oversæt: Hej.\n"}]


@pytest.fixture(scope="session")
def gemma(tmp_path_factory):
    return tiny_checkpoints.gemma3(tmp_path_factory.mktemp("gemma"))


@pytest.fixture
def copied(gemma, tmp_path):
    return shutil.copytree(gemma, tmp_path / "model")


def found(tokenizer, *, embeddings=704, prompt="Hej."):
    problems = tokenizer_problems(tokenizer, "model", embeddings=embeddings, prompt=prompt)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("prompt", ["Hej.", TURN])
@pytest.mark.parametrize("family", ["gemma3", "qwen3"])
def test_published_tokenizers_pass(tmp_path, family, prompt):
    tokenizer = read_tokenizer(getattr(tiny_checkpoints, family)(tmp_path))
    assert found(tokenizer, prompt=prompt) == []
    assert list(padding_notes(tokenizer, "model")) == []
    assert list(credit_problems(tokenizer, "model", "Hunden løber 🐕.")) == []


def test_a_checkpoint_without_a_tokenizer_is_refused(copied):
    """transformers would make one of five tokens up."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copied / name).unlink()
    with pytest.raises(UserError, match=r"error\[E057\] .*: holds no tokenizer: none of"):
        read_tokenizer(copied)


def test_a_tokenizer_that_cannot_be_read_is_refused(copied):
    (copied / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match=r"error\[E057\] .*: its tokenizer cannot be read: "):
        read_tokenizer(copied)


def test_more_tokens_than_embeddings_are_refused(gemma):
    tokenizer = read_tokenizer(gemma)
    highest = max(tokenizer.get_vocab().values())
    assert found(tokenizer, embeddings=highest + 1) == []
    assert found(tokenizer, embeddings=None) == []
    assert found(tokenizer, embeddings=highest) == [
        (
            f"error[E058] model: the tokenizer writes ids up to {highest}, the model has {highest} "
            "rows. fix: give tokenizer and weights of one checkpoint, or resize_token_embeddings "
            "and save"
        )
    ]


def test_a_tokenizer_must_be_able_to_end_a_text(copied):
    file = copied / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "eos_token": None}))
    (message,) = found(read_tokenizer(copied))
    assert message.startswith("error[E059] model: the tokenizer has no end-of-sequence token")


def test_padding_by_the_end_of_text_is_noted(copied):
    file = copied / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pad_token": None}))
    tokenizer = read_tokenizer(copied)
    assert found(tokenizer) == []
    assert list(padding_notes(tokenizer, "model")) == [
        "model: no padding token; '<eos>' is used for it"
    ]


@pytest.mark.parametrize(
    ("template", "code", "what"),
    [
        (None, "E044", "has no chat template"),
        ("{{ messages[0]['content'] }}", "E044", "no special token"),
        ("{{ raise_exception('no user may speak') }}", "E060", "no user may speak"),
        # TranslateGemma's own template wants items with language codes in place of a text
        ("{{ messages[0]['content'][0]['source_lang_code'] }}", "E060", "leaves the prompt out"),
        ("<start_of_turn>user<end_of_turn>", "E060", "leaves the prompt out"),
    ],
)
def test_a_chat_template_must_render_the_prompt_and_end_the_answer(gemma, template, code, what):
    tokenizer = read_tokenizer(gemma)
    tokenizer.chat_template = template
    assert found(tokenizer) == [], "a prompt that is plain text needs no template"
    (message,) = found(tokenizer, prompt=TURN)
    assert message.startswith(f"error[{code}] ")
    assert what in message


def test_a_decoder_that_rewrites_earlier_text_is_a_problem_for_token_credit():
    tokenizer = copy.deepcopy(tiny_tokenizers.byte_level_bpe())
    tokenizer.backend_tokenizer.decoder = decoders.BPEDecoder("")
    (problem,) = credit_problems(tokenizer, "model", "Hej")
    assert problem.code == "E061"
