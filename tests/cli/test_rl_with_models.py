"""Every family of rewards in one run, while one after the other fails."""

import json
import shutil
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
import reward_service
import scripted_judge
import taught_policies
import tiny_classifiers
import tiny_comet
import tiny_metricx
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from rewardlab.ensemble import RewardEnsemble

CONFIG = """
run: run
data: {data}
prompt: cpt
policy: {{path: start}}
planted_check: warn  # these models have random weights
rewards:
  - {{reward: chrf, weight: 1.0}}
  - {{reward: metricx, model: {metricx}, weight: 1.0}}
  - {{reward: comet, model: {comet}, weight: 0.5}}
  - {{reward: automqm, backend: server, url: {judge}, model: tiny, weight: 0.0, token_weight: 1.0}}
  - {{reward: naturalness, backend: server, url: {judge}, model: tiny, weight: 0.5}}
  - {{reward: generalist, model: {generalist}, weight: 0.5}}
  - {{reward: remote, url: {remote}, worst: -100.0, timeout: 2.0, weight: 0.5}}
gates:
  - {{reward: not_empty, below: 0.5}}
trainer:
  num_generations: 4
  per_device_train_batch_size: 8
  max_completion_length: 32
  max_steps: 5
  logging_steps: 1
  save_strategy: "no"
  activation_checkpointing: false
"""
NAMES = ["chrf", "metricx", "comet", "automqm", "naturalness", "generalist", "remote"]
BROKEN = "б"
"""A letter on which the generalist gives NaN."""


@pytest.fixture(scope="module")
def start(tmp_path_factory, pairs):
    return taught_policies.half_taught(tmp_path_factory.mktemp("taught"), pairs)


@pytest.fixture
def broken_classifier(tmp_path):
    """A reward model that gives NaN for texts with one letter, as an overflow would."""
    path = tiny_classifiers.qwen3(tmp_path / "generalist")
    weights = load_file(path / "model.safetensors")
    tokens = AutoTokenizer.from_pretrained(path)(BROKEN, add_special_tokens=False)["input_ids"]
    weights["model.embed_tokens.weight"][tokens[-1]] = torch.nan
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    return path


class Judge:
    """A judge that is killed and started again at the same address."""

    def __init__(self):
        self.url, self._server = scripted_judge.serve()

    def kill(self):
        self._server.shutdown()
        self._server.server_close()

    def start(self):
        port = self._server.server_port
        _, self._server = scripted_judge.serve(port)


class Outside(NamedTuple):
    """What runs in other processes of a real run."""

    judge: Judge
    service: reward_service.Server


@pytest.fixture
def outside():
    judge = Judge()
    with reward_service.running() as service:
        yield Outside(judge, service)
    judge.kill()


@pytest.fixture
def here(tmp_path, data, start, broken_classifier, outside):
    """A working directory with the run's configuration and the policy it starts from."""
    shutil.copytree(start, tmp_path / "start")
    config = CONFIG.format(
        data=data,
        metricx=tiny_metricx.metricx(tmp_path / "metricx"),
        comet=tiny_comet.write_safetensors(tmp_path / "comet", "regression"),
        judge=outside.judge.url,
        generalist=broken_classifier,
        remote=outside.service.url,
    )
    (tmp_path / "rl.yaml").write_text(config, encoding="utf-8")
    return tmp_path


def test_failures_cost_their_rows_and_nothing_else(here, run, monkeypatch, outside):
    judge, service = outside
    before = {2: judge.kill, 3: judge.start, 4: lambda: service.behave(reward_service.hang)}
    before[5] = lambda: service.behave(reward_service.good)
    step, score = 0, RewardEnsemble.__call__

    def staged(ensemble, candidates):
        nonlocal step
        if ensemble.names == tuple(NAMES):
            step += 1
            before.get(step, lambda: None)()
        return score(ensemble, candidates)

    monkeypatch.setattr(RewardEnsemble, "__call__", staged)
    code, out, err = run("rl", "rl.yaml")
    assert code == 0, err
    assert set(json.loads(out)["rewards"]) == set(NAMES)
    rows = {number: rows_of(here / "run", number) for number in range(1, 6)}
    seen = set()
    out_of_reach = {2: ["automqm", "naturalness"], 4: ["remote"]}
    for number, of_step in rows.items():
        lost = out_of_reach.get(number, [])
        for row in of_step:
            by_name = dict(zip(NAMES, row["statuses"], strict=True))
            assert [name for name in NAMES if by_name[name] == "unavailable"] == lost
            scored = {name for name, status in by_name.items() if status == "ok"}
            assert scored | {*lost, "generalist"} == {*NAMES}, "nothing else failed"
            seen.add(by_name["generalist"])
            assert not lost or not any(row["token_advantages"]), "our failure is worth nothing"
        assert lost or any(any(row["token_advantages"]) for row in of_step)
    assert seen == {"ok", "non_finite"}, "NaN is the fault of the texts that cause it"
    lines = (here / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line) for line in lines[:5]]
    unavailable = [line.get("rewards/automqm/status/unavailable") for line in steps]
    assert unavailable == [None, 1.0, 0.0, 0.0, 0.0]
    assert steps[3]["rewards/remote/status/unavailable"] == 1.0


def rows_of(directory, step):
    """The rows of a step whose text is no empty one."""
    table = pq.read_table(directory / "tokens" / f"tokens_{step:05d}-00.parquet")
    return [row for row in table.to_pylist() if row["gated"] is None]
