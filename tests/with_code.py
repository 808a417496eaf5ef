"""A checkpoint that brings Python of its own and asks for it to be run."""

import json

PARTS = {"AutoConfig": "Config", "AutoModelForCausalLM": "Model", "AutoTokenizer": "Tokenizer"}
CODE = """
from pathlib import Path
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

Path({ran!r}).touch()


class Config(Qwen3Config):
    model_type = "theirs"


class Model(Qwen3ForCausalLM):
    config_class = Config


class Tokenizer(PreTrainedTokenizerFast):
    pass
"""


def add(checkpoint, monkeypatch):
    """Put code into a checkpoint, and a person there who agrees to everything.

    Returns:
        A file that exists once the code has run.
    """
    ran = checkpoint.parent / "ran"
    (checkpoint / "theirs.py").write_text(CODE.format(ran=str(ran)))
    parts = {part: f"theirs.{name}" for part, name in PARTS.items()}
    config = json.loads((checkpoint / "config.json").read_text())
    config |= {"model_type": "theirs", "auto_map": parts}
    (checkpoint / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((checkpoint / "tokenizer_config.json").read_text())
    own = [parts["AutoTokenizer"]] * 2
    tokenizer |= {"tokenizer_class": "Tokenizer", "auto_map": {"AutoTokenizer": own}}
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    monkeypatch.setattr("builtins.input", lambda _: "y")
    return ran
