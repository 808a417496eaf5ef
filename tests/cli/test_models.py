"""`rewardlab models`: what a user sees."""

import json

import pytest
import tiny_checkpoints
import tiny_gguf
import tiny_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardlab.checkpoints.published import PUBLISHED


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDLAB_MODELS", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_the_list_has_licence_size_and_command_of_every_model(run):
    code, out, _ = run("models", "list")
    assert code == 0
    for model in PUBLISHED:
        assert f"rewardlab models get {model.name}" in out
        assert model.licence in out
    assert max(map(len, out.splitlines())) <= 100


def test_without_a_command_the_help_is_shown(run):
    code, out, _ = run("models")
    assert code == 0
    assert "trim" in out


def test_the_licence_is_shown_first(run):
    code, out, err = run("models", "get", "gemma-3-270m")
    assert (code, out) == (2, "")
    assert "E383" in err
    assert "Gemma Terms of Use" in err
    assert "--accept-licence" in err


def test_a_gguf_is_converted(run, tmp_path):
    tiny_gguf.write(tmp_path / "tiny.gguf")
    code, out, _ = run("models", "convert", "tiny.gguf", "models/tiny")
    assert (code, out) == (0, "models/tiny\n")
    AutoModelForCausalLM.from_pretrained(str(tmp_path / "models/tiny"))
    code, _, err = run("models", "convert", "tiny.gguf", "models/tiny")
    assert code == 2
    assert "E030 models/tiny: it exists already" in err.replace("error[E030]", "E030")
    assert "models/tiny-2" in err


def test_a_failed_conversion_leaves_nothing(run, tmp_path):
    (tmp_path / "tiny.gguf").write_text("no weights")
    code, _, err = run("models", "convert", "tiny.gguf", "models/tiny")
    assert code == 3
    assert "E384" in err
    assert not (tmp_path / "models/tiny").exists()


def test_a_vocabulary_is_trimmed(run, tmp_path):
    tiny_checkpoints.gemma3(tmp_path / "whole")
    text = "\n".join(tiny_tokenizers.CORPUS[:3])
    (tmp_path / "keep.txt").write_text(text, encoding="utf-8")
    code, out, err = run(
        *("models", "trim", "whole", "small", "--keep-text", "keep.txt"),
        *("--source-lang", "en", "--target-lang", "es"),
    )
    assert code == 0
    said = json.loads(out)
    assert said["entries"] < said["entries_before"]
    assert "texts are encoded as before" in err
    whole, small = (
        AutoTokenizer.from_pretrained(str(tmp_path / one)) for one in ("whole", "small")
    )
    for kept in (" The", "You are a professional English (en) to Spanish (es) translator."):
        assert small.tokenize(kept) == whole.tokenize(kept)


def test_text_that_becomes_much_longer_is_said(run, tmp_path):
    tiny_checkpoints.gemma3(tmp_path / "whole")
    kept, other = tiny_tokenizers.CORPUS[0], tiny_tokenizers.CORPUS[-1]
    (tmp_path / "keep.txt").write_text(kept, encoding="utf-8")
    (tmp_path / "other.txt").write_text(other, encoding="utf-8")
    words = ("models", "trim", "whole", "small", "--keep-text", "keep.txt")
    code, out, err = run(*words, "--other-text", "other.txt")
    assert code == 0
    said = json.loads(out)
    longer = said["other_tokens"] / said["other_tokens_before"] - 1
    assert longer > 0.05
    assert f"(+{longer:.1%}): keep more text of this kind" in " ".join(err.split())


def test_a_missing_model_and_a_missing_text_are_named(run, tmp_path):
    code, _, err = run("models", "trim", "nowhere", "small", "--keep-text", "keep.txt")
    assert code == 2
    assert "E080" in err
    tiny_checkpoints.gemma3(tmp_path / "whole")
    code, _, err = run("models", "trim", "whole", "small", "--keep-text", "keep.txt")
    assert code == 3
    assert "keep.txt" in err
