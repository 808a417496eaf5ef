"""`--dry-run`: what can be known before a GPU is spent, and everything that is wrong at once."""

import json
import shutil

import pytest
import tiny_checkpoints

from rewardlab.dry_run.packages import installed

without_vllm = pytest.mark.skipif(installed("vllm"), reason="says what is missing without it")
RL = """
run: run
data: {data}
prompt: translategemma
chat: true
policy: {{path: start}}
rewards:
  - {{reward: chrf, weight: 1.0}}
  - {{reward: lexical_spans, weight: 0.0, token_weight: 0.5}}
gates:
  - {{reward: not_empty, below: 0.5}}
trainer:
  num_generations: 4
  per_device_train_batch_size: 8
  gradient_accumulation_steps: 2
  max_completion_length: 64
  max_steps: 3
  beta: 0.01
"""
SFT = """
run: run
data: {data}
prompt: translategemma
chat: true
validation: 2
policy: {{path: start, freeze_embeddings: true}}
trainer: {{max_steps: 10, per_device_train_batch_size: 2, max_length: 400, optim: adafactor}}
"""
TRANSLATE = """
run: run
data: {data}
prompt: translategemma
chat: true
model: start
generation: {{batch_size: 4, max_new_tokens: 8}}
"""


@pytest.fixture
def here(tmp_path, data):
    """Configurations of three commands, and a checkpoint that all start from."""
    texts = {"rl": RL, "sft": SFT, "translate": TRANSLATE}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text.format(data=data))
    tiny_checkpoints.gemma3_vision(tmp_path / "start")
    return tmp_path


def test_what_is_known_of_an_rl_run(here, run):
    code, out, err = run("rl", "rl.yaml", "--dry-run")
    assert code == 0, err
    told = json.loads(out)
    assert (told["dry_run"], told["run"], told["rows"], told["heldout"]) == (True, "run", 8, 2)
    assert told["batches"] == {
        "rows_per_process": 8, "accumulation": 2, "processes": 1, "rows_per_step": 16,
        "steps_per_epoch": 2, "steps": 3, "epochs": 1.5,
    }  # fmt: skip
    assert told["rollouts"] == {
        "per_prompt": 4, "per_generation": 16, "prompts_per_generation": 4,
        "steps_per_generation": 2, "total": 48,
    }  # fmt: skip
    assert told["tokens"]["measured"] == 8
    assert told["tokens"]["max_completion_length"] == 64
    assert told["tokens"]["cut"] == 0
    assert told["tokens"]["prompt"]["median"] <= told["tokens"]["prompt"]["max"]
    assert told["rewards"].keys() == {"chrf", "lexical_spans", "not_empty"}
    chrf = told["rewards"]["chrf"]
    assert (chrf["reference"], chrf["rows"]) == (100, 4)
    assert all(chrf[kind] < 70 for kind in ("half", "copy", "unrelated", "gibberish"))
    assert told["parameters"]["total"] > told["parameters"]["trained"], "what sees is frozen"
    memory = told["memory_gib"]
    assert memory["reference"] == memory["weights"] > 0
    assert memory["generation"] > 0
    assert memory["sharded_total"].keys() == {"8", "16", "32", "64"}
    for line in (
        "prompt tokens: median",
        "each step: 8 rows x 2 accumulated = 16 rows",
        "steps: 3, which is 1.5 epochs of 2 steps",
        "sampling: 16 completions at a time, 4 for each of 4 prompts; 48 in all",
        "memory on one GPU: ",
        "memory of each GPU if sharded",
    ):
        assert line in err
    facts = err.partition("10 lines")[0].splitlines()
    assert max(map(len, facts)) <= 80
    assert told["cpu_memory_gib"]["process"] > 0.05
    assert not (here / "run").exists()


def test_adapters_need_no_reference_and_train_little(here, run):
    policy = "policy={path: start, lora: {r: 4}}"
    code, out, err = run("rl", "rl.yaml", policy, "--dry-run")
    assert code == 0, err
    told = json.loads(out)
    # two layers: q and o 32x32, k and v 16x32, three of 64x32 in the MLP; 4 rows of both widths
    assert told["parameters"]["trained"] == 2 * 4 * (2 * 64 + 2 * 48 + 3 * 96)
    assert told["memory_gib"]["reference"] == 0


def test_adapters_on_modules_that_do_not_exist_are_refused(here, run):
    policy = "policy={path: start, lora: {target_modules: [query]}}"
    code, out, err = run("rl", "rl.yaml", policy, "--dry-run")
    assert (code, out) == (2, "")
    assert "error[E065] policy.lora: no adapter finds a place" in err


def test_what_is_known_of_an_sft_run(here, run):
    code, out, err = run("sft", "sft.yaml", "trainer.max_length=315", "--dry-run")
    assert code == 0, err
    told = json.loads(out)
    assert (told["rows"], told["validation"]) == (6, 2)
    assert told["batches"]["rows_per_step"] == 2
    # the embeddings of 704 tokens are frozen, and with them the head that shares them
    assert told["parameters"]["total"] - told["parameters"]["trained"] > 704 * 32
    assert told["memory_gib"]["optimizer"] < told["memory_gib"]["gradients"] / 4
    cut = told["tokens"]["cut"]
    assert 0 < cut <= 6
    assert f"note: {cut} of 6 rows have more than max_length=315 tokens and lose their ends" in err


def test_a_policy_from_scratch_is_known_before_it_is_made(here, run):
    shape = "policy={from_scratch: {vocab_size: 300, hidden_size: 32, layers: 1, heads: 2}}"
    words = (shape, "prompt=arrow", "chat=false", "--dry-run")
    code, out, err = run("sft", "sft.yaml", *words)
    assert code == 0, err
    told = json.loads(out)
    # embeddings; q, k, v, o of 32x32 and two norms of 16; an MLP of 96; norms of 32
    parameters = 300 * 32 + 4 * 32 * 32 + 2 * 16 + 3 * 96 * 32 + 3 * 32
    assert told["parameters"] == {"total": parameters, "trained": parameters}
    assert not (here / "run").exists()


def test_what_is_known_of_a_translation_run(here, run):
    code, out, err = run("translate", "translate.yaml", "split=heldout", "--dry-run")
    assert code == 0, err
    told = json.loads(out)
    assert told["rows"] == 2
    assert "note: 2 of 2 references have more than max_new_tokens=8 tokens" in err
    assert told["tokens"]["max_new_tokens"] == 8
    assert told["memory_gib"].keys() == {"weights", "generation", "total"}
    assert not (here / "run").exists()


def test_what_is_known_of_an_evaluation(here, run, data):
    text = TRANSLATE.replace("model: start", "systems: [{{name: tiny, model: start}}]")
    (here / "evaluate.yaml").write_text(text.format(data=data) + "metrics: [chrf, numbers_kept]\n")
    code, out, err = run("evaluate", "evaluate.yaml", "--dry-run")
    assert code == 0, err
    told = json.loads(out)
    assert (told["rows"], told["systems"]) == (2, ["tiny"])
    assert told["decoding"]["tiny"]["tokens"]["measured"] == 2
    assert told["rewards"].keys() == {"numbers_kept"}, "chrF is measured on the corpus"
    assert "tiny:\n  prompt tokens: median" in err


def test_every_class_of_problem_is_told_at_once(here, run):
    """Configuration, run directory, data, checkpoint, tokenizer and rewards, in one message."""
    (here / "run").mkdir()
    (here / "run" / "model").touch()
    (here / "ru.txt").write_text("слишком мало\n", encoding="utf-8")
    (here / "start" / "tokenizer.json").write_text("{")
    settings = json.loads((here / "start" / "config.json").read_text())
    (here / "start" / "config.json").write_text(json.dumps({**settings, "auto_map": {"A": "b.C"}}))
    (here / "start" / "model.safetensors").unlink()
    wrong = ("rewards.0.reward=chrff", "trainer.num_generation=4", "--dry-run")
    code, out, err = run("rl", "rl.yaml", *wrong)
    assert (code, out) == (2, "")
    codes = [line[6:10] for line in err.splitlines()]
    assert codes == ["E023", "E101", "E030", "E204", "E051", "E053", "E057"]
    assert "Traceback" not in err


def test_one_class_alone_has_its_own_exit_code(here, run):
    (here / "ru.txt").write_text("слишком мало\n", encoding="utf-8")
    for command in ("rl", "sft"):
        code, out, err = run(command, f"{command}.yaml", "--dry-run")
        assert (code, out) == (3, "")
        assert [line[6:10] for line in err.splitlines()] == ["E204"]


def test_a_run_is_held_to_the_same_before_it_starts(here, run):
    shutil.rmtree(here / "start")
    tiny_checkpoints.mt5(here / "start")
    for command in ("rl", "sft"):
        code, out, err = run(command, f"{command}.yaml")
        assert (code, out) == (2, "")
        assert "error[E052] start/config.json: MT5ForConditionalGeneration" in err
        assert "error[E044] chat: the checkpoint's tokenizer has no chat template" in err
        assert not (here / "run").exists()


@without_vllm
def test_what_an_option_needs_and_what_data_must_fill(here, run):
    words = ("trainer.use_vllm=true", "trainer.gradient_accumulation_steps=8", "--dry-run")
    code, out, err = run("rl", "rl.yaml", *words)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        (
            "error[E064] trainer.use_vllm: needs the package vllm, which is not installed. "
            "fix: pip install 'rewardlab[vllm]'"
        ),
        (
            "error[E063] trainer: 8 training prompts do not fill one generation: 64 completions "
            "are sampled at once, 4 for each of 16 prompts. fix: lower "
            "per_device_train_batch_size or gradient_accumulation_steps, or give more rows"
        ),
    ]


def test_a_directory_that_holds_something_else_is_refused(here, run):
    (here / "run").mkdir()
    (here / "run" / "thesis.tex").touch()
    for command in ("rl", "sft", "translate"):
        code, _, err = run(command, f"{command}.yaml", "--dry-run")
        assert (code, err[6:10]) == (2, "E030")


@without_vllm
def test_vllm_in_process_must_be_installed_to_decode(here, run):
    code, _, err = run("translate", "translate.yaml", "generation.backend=vllm", "--dry-run")
    assert code == 2
    assert "error[E086] generation.backend: backend: vllm needs vllm, which is not inst" in err
