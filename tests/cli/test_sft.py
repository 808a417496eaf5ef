"""`rewardlab sft` from a YAML file to a policy that can be loaded anywhere."""

import json

import pytest
import tiny_chats
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardlab.store.lineage import Stage, read_training
from rewardlab.trainers.from_scratch import new_policy

CONFIG = """
run: run
data: {data}
prompt: arrow
validation: 2
policy: {{from_scratch: {{vocab_size: 300, hidden_size: 32, layers: 1, heads: 2}}}}
trainer:
  max_steps: 20
  learning_rate: 1e-2
  per_device_train_batch_size: 8
  logging_steps: 5
  activation_checkpointing: false
"""
CHAT = ("prompt=cpt", "chat=true", "policy={path: start}")


@pytest.fixture
def here(tmp_path, data):
    """A working directory with the run's configuration."""
    (tmp_path / "sft.yaml").write_text(CONFIG.format(data=data))
    return tmp_path


@pytest.fixture
def start(here):
    """A checkpoint with a chat template, of random weights."""
    tokenizer = tiny_chats.gemma()
    policy = new_policy(tokenizer, architecture="gemma3", hidden_size=32, layers=1, heads=2)
    policy.save_pretrained(here / "start")
    tokenizer.save_pretrained(str(here / "start"))
    return here / "start"


def metrics(directory):
    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_a_policy_from_scratch_from_yaml_to_its_directory(here, run):
    code, out, err = run("sft", "sft.yaml", "trainer.max_steps=30")
    assert code == 0, err
    directory = here / "run"
    summary = json.loads(out)
    losses = [line["eval_loss"] for line in metrics(directory) if "eval_loss" in line]
    assert summary["run"] == "run"
    assert summary["validation_loss"] == min(losses) < losses[0]
    assert summary["peak_memory_mb"] > 50
    assert summary["seconds"] > 0
    assert f"validation loss {losses[0]:.4f}" in err
    assert "10 lines: 6 rows; left out: 2 held out, 2 set aside for validation" in err
    assert "max_steps: 30" in (directory / "config.yaml").read_text()
    assert (directory / "versions.json").exists()
    assert not (directory / "signature.txt").exists()
    left = {path.name for path in directory.iterdir()}
    assert left == {"config.yaml", "metrics.jsonl", "model", "versions.json"}, "nothing else"
    tokenizer = AutoTokenizer.from_pretrained(directory / "model")
    policy = AutoModelForCausalLM.from_pretrained(directory / "model")
    assert len(tokenizer) == policy.config.vocab_size == 300
    assert tokenizer.decode(tokenizer("собака 👍")["input_ids"]) == "собака 👍"
    (stage,) = read_training(directory).stages
    assert (stage.stage, stage.start, stage.rewards) == ("sft", None, ())
    assert stage.data[0]["reference"] == "ru.txt"


def test_heldout_rows_are_never_looked_at(here, run):
    """Whatever the last two lines say, the policy is the same to the last bit."""
    for name in ("once", "again"):
        assert run("sft", "sft.yaml", f"run={name}", "trainer.max_steps=3")[0] == 0
        (here / "en.txt").write_text(
            (here / "en.txt").read_text().replace("he came", "something else came")
        )
    once, again = (
        AutoModelForCausalLM.from_pretrained(here / name / "model").state_dict()
        for name in ("once", "again")
    )
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_adapters_on_a_checkpoint_become_a_merged_policy(here, run):
    assert run("sft", "sft.yaml", "trainer.max_steps=3")[0] == 0
    code, _, err = run(
        "sft",
        "sft.yaml",
        "run=lora",
        "policy={path: run/model, lora: {r: 4}}",
        "trainer.max_steps=5",
    )
    assert code == 0, err
    assert (here / "lora" / "adapter" / "adapter_model.safetensors").exists()
    before, after = (
        AutoModelForCausalLM.from_pretrained(here / name / "model").state_dict()
        for name in ("run", "lora")
    )
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.endswith("_proj.weight") for name in moved)
    first, second = read_training(here / "lora").stages
    assert first == read_training(here / "run").stages[0]
    assert second == Stage("sft", "run/model", data=first.data)


def test_frozen_embeddings_take_a_tied_head_with_them_and_say_so(here, start, run):
    code, _, err = run(
        "sft", "sft.yaml", "policy={path: start, freeze_embeddings: true}", "trainer.max_steps=2"
    )
    assert code == 0, err
    assert "the embeddings are frozen, and the output head with them" in err
    before, after = (
        AutoModelForCausalLM.from_pretrained(path).state_dict()
        for path in (start, here / "run" / "model")
    )
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == before.keys() - {"model.embed_tokens.weight", "lm_head.weight"}


def test_an_untied_head_is_no_news(here, start, run):
    policy = "policy={path: start, freeze_embeddings: true, untie_embeddings: true}"
    code, _, err = run("sft", "sft.yaml", policy, "trainer.max_steps=2")
    assert code == 0, err
    assert "frozen" not in err
    after = AutoModelForCausalLM.from_pretrained(here / "run" / "model")
    assert not torch.equal(after.lm_head.weight, after.model.embed_tokens.weight)


def test_a_chat_policy_answers_with_the_translation_and_ends_its_turn(here, start, run):
    """The only answer it was ever shown, and the token that the template ends a turn with."""
    (here / "ru.txt").write_text("да\n" * 10, encoding="utf-8")
    code, _, err = run("sft", "sft.yaml", *CHAT, "trainer.max_steps=40")
    assert code == 0, err
    tokenizer = AutoTokenizer.from_pretrained(here / "run" / "model")
    policy = AutoModelForCausalLM.from_pretrained(here / "run" / "model")
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert end in policy.generation_config.eos_token_id
    prompt = [{"role": "user", "content": "<en2ru> the dog sleeps <ru>"}]
    ids = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_tensors="pt")
    answer = policy.generate(**ids, do_sample=False, max_new_tokens=20)[0]
    answer = answer[ids["input_ids"].shape[1] :].tolist()
    assert tokenizer.decode(answer) == "да<end_of_turn>"


def test_a_translation_follows_its_prompt_after_a_space_that_is_not_written_out(here, run):
    """``Russian:`` is asked, `` да`` is learned and sampled, and ``да`` is the translation."""
    (here / "ru.txt").write_text("да\n" * 10, encoding="utf-8")
    code, _, err = run("sft", "sft.yaml", "prompt=lmt", "trainer.max_steps=40")
    assert code == 0, err
    tokenizer = AutoTokenizer.from_pretrained(here / "run" / "model")
    policy = AutoModelForCausalLM.from_pretrained(here / "run" / "model")
    prompt = "Translate this from English to Russian:\nEnglish: the dog sleeps\nRussian:"
    ids = tokenizer(prompt, return_tensors="pt")
    answer = policy.generate(**ids, do_sample=False, max_new_tokens=20)[0]
    assert tokenizer.decode(answer[ids["input_ids"].shape[1] :]) == f" да{tokenizer.eos_token}"

    (here / "translate.yaml").write_text(
        "{run: out, model: run/model, prompt: lmt, split: all, data: {source: en.txt, "
        "source_lang: en, target_lang: ru}, generation: {max_new_tokens: 20}}"
    )
    code, _, err = run("translate", "translate.yaml")
    assert (code, "learned answers" in err) == (0, False), err
    assert (here / "out" / "hypotheses.txt").read_text().splitlines() == ["да"] * 10
    assert read_training(here / "run").stages[-1].separator == " "
    code, _, err = run("translate", "translate.yaml", "run=other", "prompt=arrow", "--dry-run")
    assert code == 0, err
    assert "learned answers that begin with ' ' after the prompt" in err


def test_rows_longer_than_the_limit_are_counted(here, run):
    code, out, err = run("sft", "sft.yaml", "trainer.max_length=40", "trainer.max_steps=2")
    assert code == 0, err
    assert json.loads(out)["run"] == "run"
    assert "of 6 rows have more than max_length=40 tokens and lose their ends" in err


def test_a_limit_that_leaves_no_translation_is_refused(here, start, run):
    code, out, err = run("sft", "sft.yaml", "policy={path: start}", "trainer.max_length=3")
    assert (code, out) == (2, "")
    assert "error[E045] trainer.max_length: max_length=3: every prompt alone reaches it" in err
    assert not (here / "run").exists()


def test_a_checkpoint_without_a_template_cannot_chat(here, start, run):
    tokenizer = AutoTokenizer.from_pretrained(start)
    tokenizer.chat_template = None
    (start / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(start)
    code, out, err = run("sft", "sft.yaml", *CHAT)
    assert (code, out) == (2, "")
    assert err.endswith(
        "error[E044] chat: the checkpoint's tokenizer has no chat template. fix: chat: false\n"
    )
    assert not (here / "run").exists()


def test_dry_run_checks_and_writes_nothing(here, run):
    code, out, _ = run("sft", "sft.yaml", "--dry-run")
    assert code == 0
    summary = json.loads(out)
    assert summary["dry_run"] is True
    assert (summary["rows"], summary["validation"], summary["run"]) == (6, 2, "run")
    assert not (here / "run").exists()


def test_a_directory_that_holds_a_run_is_refused(here, run):
    (here / "run").mkdir()
    (here / "run" / "model").write_text("precious")
    code, out, err = run("sft", "sft.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error[E030]")
    assert "Traceback" not in err
    assert (here / "run" / "model").read_text() == "precious"


def test_broken_data_ends_with_its_own_exit_code(here, run):
    (here / "ru.txt").write_text("слишком мало\n")
    code, out, err = run("sft", "sft.yaml")
    assert (code, out) == (3, "")
    assert err.startswith("error[E204] ru.txt: 1 line, but en.txt has 10.")


def test_a_run_too_short_to_be_measured_is_measured_at_its_end(here, run):
    """One pass over six rows is one step; its configuration asks for a measurement every ten."""
    shorter = ("trainer.max_steps=-1", "trainer.num_train_epochs=1", "trainer.eval_steps=10")
    code, out, err = run("sft", "sft.yaml", *shorter)
    assert code == 0, err
    summary = json.loads(out)
    assert summary["step"] == 1
    assert f"step 1: validation loss {summary['validation_loss']:.4f}" in err
    assert (here / "run" / "model" / "model.safetensors").exists()
