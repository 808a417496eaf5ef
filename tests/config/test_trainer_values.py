"""Values of the trainer section that would stop a run later: each is refused before it starts."""

import inspect
from pathlib import Path

import pytest
from config_files import COMMANDS, RL, SFT
from trl import GRPOConfig, GRPOTrainer, SFTConfig

from rewardlab.config import strict_yaml
from rewardlab.config.overrides import with_overrides
from rewardlab.config.trainer_block import option_problems, trl_config
from rewardlab.config.trainer_values import CHOICES
from rewardlab.errors import UserError

QUIET = {"use_cpu": True, "bf16": False, "report_to": []}


def told(text, config_class, *options):
    """The problems of a trainer section, as the command finds them one after the other."""
    document = with_overrides(strict_yaml.load(text, "run.yaml"), [f"trainer.{o}" for o in options])
    block = document.value["trainer"]
    if problems := option_problems(block, config_class, document):
        return [str(problem) for problem in problems]
    try:
        trl_config(config_class, block, Path("run"), 0, document=document, **QUIET)
    except UserError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        ("temperature=0", "E026", "temperature=0 is out of range. fix: write a number above 0"),
        ("temperature=-0.5", "E026", "out of range"),
        ("top_p=0", "E026", "out of range"),
        ("top_p=1.1", "E026", "a share of at most 1"),
        ("top_k=-1", "E026", "write 0 to turn it off"),
        ("top_k=1", "E026", "all samples of a prompt are the same text"),
        ("min_p=1.0", "E026", "all samples of a prompt are the same text"),
        ("generation_kwargs={temperature: 0}", "E026", "out of range"),
        ("generation_kwargs={do_sample: false}", "E026", "it decodes greedily"),
        ("generation_kwargs={top_q: 1}", "E023", "GenerationConfig has top_p"),
        ("cache_implementation=none", "E037", "Invalid `cache_implementation`"),
        ("loss_type=gdpo", "E026", "is not a choice"),
        ("max_completion_length=0", "E026", "at least 1"),
        ("auto_find_batch_size=true", "E037", "auto_find_batch_size is not supported by GRPO"),
    ],
)
def test_what_cannot_sample_or_has_no_meaning_in_rl(option, code, words):
    (problem,) = told(RL, GRPOConfig, option)
    assert problem.startswith(f"error[{code}] argument trainer.{option}")
    assert words in problem


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        ("learning_rate=-1e-4", "E026", "write a number of at least 0"),
        ("max_steps=0", "E026", "no number of steps"),
        ("num_train_epochs=0", "E026", "above 0"),
        ("per_device_train_batch_size=0", "E026", "at least 1"),
        ("gradient_accumulation_steps=0", "E026", "at least 1"),
        ("warmup_steps=-1", "E026", "at least 0"),
        ("logging_steps=0", "E026", "above 0"),
        ("report_to=tensorboard", "E064", "its package is not installed"),
        ("report_to=tensorbord", "E026", "fix: trainer.report_to=tensorboard"),
        ("optim=adamw_bnb_8bit", "E064", "bitsandbytes"),
        ("optim=adamx", "E026", "is not a choice"),
        ("optim_args=fast", "E037", "cannot be used"),
        ("adam_beta1=1.5", "E037", "Invalid beta parameter"),
        ("lr_scheduler_type=cosin", "E026", "fix: trainer.lr_scheduler_type=cosine"),
        ("lr_scheduler_type=cosine_with_min_lr", "E037", "min_lr"),
        ("lr_scheduler_type=reduce_lr_on_plateau", "E037", "requires an eval strategy"),
        ("lr_scheduler_kwargs={power: 2}", "E037", "unexpected keyword argument 'power'"),
        ("fp16=true", "E037", "fp16 needs a GPU"),
        ("tf32=true", "E037", "requires Ampere"),
        ("push_to_hub=true", "E037", "needs a token"),
        ("fsdp=full_shard", "E037", "this is one"),
        ("deepspeed=zero3.json", "E064", "pip install deepspeed"),
        ("accelerator_config=none.json", "E037", "No such file"),
        ("torch_compile_backend=fastest", "E026", "is not a choice"),
        ("ddp_backend=mccll", "E026", "fix: trainer.ddp_backend=mccl"),
        ("debug=everything", "E037", "not a valid DebugOption"),
        ("model_init_kwargs={dtype: float99}", "E026", "no data type of torch"),
        ("model_init_kwargs={attn_implementation: flash_attention_2}", "E064", "FlashAttention2"),
        ("model_init_kwargs={attn_implementation: flash}", "E037", "is not supported"),
        ("resume_from_checkpoint=true", "E033", "policy.path trains a saved policy further"),
    ],
)
@pytest.mark.parametrize("command", ["sft", "rl"])
def test_what_torch_and_transformers_refuse_later(command, option, code, words, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    text, config_class = {"sft": (SFT, SFTConfig), "rl": (RL, GRPOConfig)}[command]
    (problem,) = told(text, config_class, option)
    assert problem.startswith(f"error[{code}] argument trainer.{option}")
    assert words in problem


def test_the_place_in_the_file_is_given():
    (problem,) = told(SFT.replace("1e-4", "1e-4\n  report_to: tensorboard"), SFTConfig)
    assert problem.startswith("error[E064] run.yaml:12:3 trainer.report_to: 'tensorboard' cannot")


@pytest.mark.parametrize("command", COMMANDS)
def test_usual_values_pass(command):
    text, config_class = {"sft": (SFT, SFTConfig), "rl": (RL, GRPOConfig)}[command]
    usual = ["lr_scheduler_type=cosine", "optim=adafactor", "warmup_steps=0.1", "report_to=none"]
    usual += ["temperature=0.7", "top_p=0.95", "top_k=50"] if command == "rl" else []
    assert told(text, config_class, *usual) == []


@pytest.mark.parametrize("option", CHOICES)
def test_the_choices_are_those_of_the_installed_trl(option):
    source = inspect.getsource(inspect.getmodule(GRPOTrainer))
    for choice in CHOICES[option]:
        assert f'"{choice}"' in source, choice
