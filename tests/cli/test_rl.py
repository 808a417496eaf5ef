"""`rewardlab rl` from a YAML file to a run directory, on real sentences in two scripts."""

import json
import re
import shutil

import pyarrow.parquet as pq
import pytest
import scripted_judge
import taught_policies
import tiny_chats
import torch
from transformers import AutoModelForCausalLM

from rewardlab.store.lineage import Stage, Training, read_training, write_training
from rewardlab.trainers.policy import end_of_turn
from rewardlab.trainers.sft import Example

CONFIG = """
run: run
data: {data}
prompt: cpt
policy: {{path: start}}
rewards:
  - {{reward: chrf, weight: 1.0}}
  - {{reward: lexical_spans, weight: 0.0, token_weight: 0.5}}
gates:
  - {{reward: not_empty, below: 0.5}}
trainer:
  num_generations: 4
  per_device_train_batch_size: 8
  max_completion_length: 32
  max_steps: 2
  logging_steps: 1
  save_strategy: "no"
  activation_checkpointing: false
"""
ANSWER = "The dog runs."


@pytest.fixture(scope="module")
def start(tmp_path_factory, pairs):
    return taught_policies.half_taught(tmp_path_factory.mktemp("taught"), pairs)


@pytest.fixture
def here(tmp_path, data, start):
    """A working directory with the run's configuration and the policy it starts from."""
    shutil.copytree(start, tmp_path / "start")
    (tmp_path / "rl.yaml").write_text(CONFIG.format(data=data))
    return tmp_path


def hypotheses(directory, step):
    name = f"tokens_{step:05d}-00.parquet"
    return pq.read_table(directory / "tokens" / name).to_pylist()


def test_a_run_from_yaml_to_its_directory(here, pairs, run):
    code, out, err = run("rl", "rl.yaml", "trainer.max_steps=3")
    assert code == 0, err
    summary = json.loads(out)
    assert set(summary["rewards"]) == {"chrf", "lexical_spans"}
    assert summary["peak_memory_mb"] > 50
    assert summary["seconds"] > 0
    directory = here / "run"
    for name in ("config.yaml", "signature.txt", "versions.json", "metrics.jsonl", "model"):
        assert (directory / name).exists(), name
    assert "max_steps: 3" in (directory / "config.yaml").read_text()
    assert "lexical_spans" in (directory / "signature.txt").read_text()
    steps = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps[:3]] == [1, 2, 3]
    rows = hypotheses(directory, 3)
    assert {row["source"] for row in rows} <= {en for en, _ in pairs[:8]}, "none is held out"
    assert any(re.search("[а-я]", row["reference"]) for row in rows)
    spans = [(row, span) for row in rows for span in row["spans"] if span["side"] == "hypothesis"]
    assert spans
    for row, span in spans:
        assert row["hypothesis"][span["start"] : span["end"]]
        tokens = zip(row["token_starts"], row["token_ends"], strict=True)
        assert any(start < span["end"] and end > span["start"] for start, end in tokens)
    assert all(len(row["token_advantages"]) == len(row["token_starts"]) for row in rows)


def test_a_run_can_be_looked_at(here, run):
    held_out = ("trainer.eval_strategy=steps", "trainer.eval_steps=1", "trainer.eval_on_start=true")
    assert run("rl", "rl.yaml", "trainer.max_steps=3", *held_out)[0] == 0
    code, out, err = run("show", "run")
    assert (code, err) == (0, "")
    assert re.search("^state +finished; step 3 of 3 *$", out, re.MULTILINE)
    assert re.search("^started from +start *$", out, re.MULTILINE)
    assert re.search("^rewards/chrf/mean +[-0-9.]+ +[ ▁▂▃▄▅▆▇█]+ +[-0-9.]+$", out, re.MULTILINE)
    assert re.search("^rewards/chrf/mean ↑ .* [03] → 3$|0 → 3$", out, re.MULTILINE)
    assert "samples of step 3" in out
    assert "errors       lexical_spans: " in out
    assert re.search("^advantages .*[+-][0-9].[0-9]", out, re.MULTILINE)


def test_the_policy_remembers_what_it_was_trained_on(here, run):
    sft = Stage("sft", None, data=({"source": "other.txt"},))
    write_training(here / "start", sft)
    assert run("rl", "rl.yaml", "trainer.max_steps=1")[0] == 0
    training = read_training(here / "run")
    assert training == Training((sft, training.stages[1]))
    assert (training.stages[1].stage, training.stages[1].start) == ("rl", "start")
    assert (sft.separator, training.stages[1].separator) == ("", " ")
    assert [reward.family for reward in training.rewards] == ["ngram_overlap", "edit_distance"]
    assert [gate.name for gate in training.gates] == ["not_empty"]
    assert [data["source"] for data in training.data] == ["other.txt", "en.txt"]


def test_adapters_are_trained_and_merged(here, run):
    code, _, err = run("rl", "rl.yaml", "policy.lora.r=4", "trainer.learning_rate=1e-2")
    assert code == 0, err
    assert (here / "run" / "adapter" / "adapter_model.safetensors").exists()
    before, after = (
        AutoModelForCausalLM.from_pretrained(path).state_dict()
        for path in (here / "start", here / "run" / "model")
    )
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.endswith("_proj.weight") for name in moved)


@pytest.mark.parametrize(
    ("chat", "architecture"), [(tiny_chats.gemma, "gemma3"), (tiny_chats.qwen, "qwen3")]
)
def test_rewards_see_the_translation_and_nothing_of_the_chat(here, pairs, run, chat, architecture):
    """A policy that has but one answer, asked in its own template."""
    tokenizer = chat()
    examples = [
        Example(
            [{"role": "user", "content": f"<en2ru> {en} <ru>"}],
            [{"role": "assistant", "content": ANSWER}],
        )
        for en, _ in pairs[:8]
    ]
    policy = taught_policies.taught(
        tokenizer, examples, here, steps=40, layers=1, architecture=architecture
    )
    shutil.rmtree(here / "start")
    policy.save_pretrained(here / "start")
    tokenizer.save_pretrained(str(here / "start"))
    code, _, err = run("rl", "rl.yaml", "chat=true")
    assert code == 0, err
    rows = hypotheses(here / "run", 1)
    exact = [row for row in rows if row["hypothesis"] == ANSWER]
    assert len(exact) > len(rows) / 2
    end = end_of_turn(tokenizer)
    saved = AutoModelForCausalLM.from_pretrained(here / "run" / "model")
    assert end in saved.generation_config.eos_token_id


def test_dry_run_checks_and_writes_nothing(here, run):
    code, out, _ = run("rl", "rl.yaml", "--dry-run")
    assert code == 0
    summary = json.loads(out)
    assert summary["dry_run"] is True
    assert (summary["rows"], summary["heldout"], summary["run"]) == (8, 2, "run")
    assert not (here / "run").exists()


JUDGE = "{{reward: automqm, backend: server, url: '{url}', model: {manner}, weight: {weight}}}"


def judged(here, manner, *, weight=1.0, url=None):
    """The configuration with a judge in place of error spans."""
    text = (here / "rl.yaml").read_text()
    judge = JUDGE.format(url=url or scripted_judge.url(), manner=manner, weight=weight)
    spans = "{reward: lexical_spans, weight: 0.0, token_weight: 0.5}"
    (here / "rl.yaml").write_text(text.replace(spans, judge))


def test_a_judge_that_sees_nothing_is_refused_before_anything_is_written(here, run):
    judged(here, "blind")
    for words in (("--dry-run",), ()):
        code, out, err = run("rl", "rl.yaml", *words)
        assert (code, out) == (4, "")
        assert err.startswith(
            "error[E130] reward automqm: gives every planted text the same score, gibberish "
            "included (mean score of 4 rows: reference 0, half 0, copy 0, unrelated 0, gibberish "
            "0). fix: "
        )
        assert not (here / "run").exists()
    code, out, err = run("rl", "rl.yaml", "planted_check=warn", "trainer.max_steps=1")
    assert code == 0, err
    assert "\nnote: the reward automqm gives every planted text the same score" in err
    assert err.count("planted text the same score") == 1, "the trainer does not ask again"


def test_a_judge_without_a_weight_is_told_and_one_that_is_down_is_unavailable(here, run):
    written = (here / "rl.yaml").read_text()
    judged(here, "blind", weight=0.0)
    code, out, err = run("rl", "rl.yaml", "--dry-run")
    assert code == 0, err
    blind = json.loads(out)["rewards"]["automqm"]
    kinds = ("reference", "half", "copy", "unrelated", "gibberish")
    assert [blind[kind] for kind in kinds] == [0.0] * 5
    assert "note: the reward automqm gives every planted text the same score" in err
    lines = err[err.index("mean scores of planted") :].splitlines()[:5]
    assert lines[1].split() == ["reward", *kinds, "seconds"]
    assert max(map(len, lines)) <= 80
    (here / "rl.yaml").write_text(written)
    judged(here, "blind", url="http://127.0.0.1:9/v1")
    code, out, err = run("rl", "rl.yaml", "--dry-run")
    assert (code, out) == (4, "")
    assert [line[6:10] for line in err.splitlines() if line.startswith("error")] == ["E402"]


def test_a_directory_that_holds_a_run_is_refused(here, run):
    (here / "run").mkdir()
    (here / "run" / "model").write_text("precious")
    code, out, err = run("rl", "rl.yaml")
    assert (code, out) == (2, "")
    assert "E030" in err
    assert "Traceback" not in err
    assert (here / "run" / "model").read_text() == "precious"


def test_a_typo_in_trls_options_is_answered_with_the_nearest(here, run):
    text = (here / "rl.yaml").read_text().replace("num_generations", "num_generation")
    (here / "rl.yaml").write_text(text)
    code, out, err = run("rl", "rl.yaml")
    assert (code, out) == (2, "")
    assert re.search(r"error\[E023\] rl\.yaml:\d+:\d+ trainer\.num_generation", err)
    assert "num_generations" in err
    assert "Traceback" not in err
