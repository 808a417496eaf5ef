"""Our trainer is TRL's, plus token advantages: compared with TRL's own on the same batch."""

import copy
import functools
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
import trl
from datasets import Dataset
from tiny_run import PROMPTS, config, dataset, fixed_rollout, inputs, policy, tokenizer
from tokenizers import processors

from rewardlab import advantages
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import UserError
from rewardlab.models.boundary import prompt_ids
from rewardlab.rewards import NotEmpty, TargetScript
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.trainers.rollout import check_training
from rewardlab.types import Candidate, ErrorSpan, Gate, RewardOutput, Status, Term

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"


@dataclass(frozen=True)
class Words:
    """Score: minus the distance from three words. Spans: every 'Haus' is a major error."""

    name: str = "words"
    scale: float = 1.0
    needs_reference: bool = False
    worst: float = -9.0

    @property
    def signature(self):
        return f"{self.name}|scale:{self.scale:g}"

    def key(self, candidate: Candidate):
        return candidate.hypothesis

    def __call__(self, candidates):
        scores = [-self.scale * abs(len(c.hypothesis.split()) - 3) for c in candidates]
        spans = [
            [ErrorSpan(at, at + 4, "major")] if (at := c.hypothesis.find("Haus")) >= 0 else []
            for c in candidates
        ]
        return RewardOutput.of(scores, spans=spans)


def ours(tmp_path, terms, advantage=advantages.gdpo, **options):
    trainer = GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble(terms),
        advantage=advantage,
        args=config(tmp_path, **options),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def theirs(tmp_path, rewards, **options):
    def reward_of(reward):
        def call(completions, **_):
            rows = [Candidate(source="", hypothesis=text) for text in completions]
            return reward(rows).scores.tolist()

        call.__name__ = reward.name
        return call

    trainer = trl.GRPOTrainer(
        policy(),
        reward_funcs=[reward_of(reward) for reward in rewards],
        args=config(tmp_path, **options),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def loss_and_gradient(trainer, batch):
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    gradient = [p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]
    return loss.detach(), torch.cat(gradient)


TRL_HAS = {
    "gdpo": {"multi_objective_aggregation": "normalize_then_sum"},
    "sum_then_normalize": {},
    "dr_grpo": {"scale_rewards": "none"},
}


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
@pytest.mark.parametrize("preset", TRL_HAS)
def test_without_token_credit_advantages_loss_and_gradient_equal_trl(tmp_path, preset, loss_type):
    rewards = [Words(), Words(name="scaled", scale=0.3)]
    weights = [1.0, 2.0]
    mine = ours(
        tmp_path / "ours",
        [Term(reward, weight) for reward, weight in zip(rewards, weights, strict=True)],
        advantages.PRESETS[preset],
        loss_type=loss_type,
    )
    trls = theirs(
        tmp_path / "trl", rewards, loss_type=loss_type, reward_weights=weights, **TRL_HAS[preset]
    )
    batch, expected = (t._generate_and_score_completions(inputs()) for t in (mine, trls))
    mask = batch["completion_mask"]
    assert batch["advantages"].shape == mask.shape
    torch.testing.assert_close(
        batch["advantages"], expected["advantages"][:, None] * mask, atol=1e-6, rtol=0
    )
    assert expected["advantages"].abs().max() > 0.1
    (loss, gradient), (their_loss, their_gradient) = (
        loss_and_gradient(mine, batch),
        loss_and_gradient(trls, expected),
    )
    torch.testing.assert_close(loss, their_loss, atol=1e-6, rtol=0)
    torch.testing.assert_close(gradient, their_gradient, atol=1e-6, rtol=1e-5)
    assert their_gradient.abs().max() > 1e-4


def test_the_loss_reads_every_token_advantage(tmp_path):
    """Finite difference of the loss in one entry: -mask / length / rows under loss_type grpo."""
    trainer = ours(tmp_path, [Term(Words(), 1.0, 0.5)], loss_type="grpo")
    batch = trainer._generate_and_score_completions(inputs())
    rows, length = batch["advantages"].shape
    lengths = batch["completion_mask"].sum(dim=1)

    def loss(step, row, token):
        changed = copy.copy(batch)
        changed["advantages"] = batch["advantages"].clone()
        changed["advantages"][row, token] += step
        with torch.no_grad():
            return trainer.compute_loss(trainer.model, changed).double().item()

    trainer.model.double()
    batch["advantages"] = batch["advantages"].double()
    for row, token in [(0, 0), (5, 1), (11, 2)]:
        slope = (loss(0.5, row, token) - loss(-0.5, row, token)) / 1.0
        assert slope == pytest.approx(-1.0 / (lengths[row].item() * rows), rel=1e-5)
    masked = (int(lengths.argmin()), length - 1)
    assert loss(0.5, *masked) == pytest.approx(loss(-0.5, *masked), abs=1e-12)


def test_the_gradient_equals_the_policy_gradient_written_by_hand(tmp_path):
    """``-(1/N) Σ_i (1/|o_i|) Σ_t A_it ∇ log π(o_it)``, relative error below 1e-5."""
    trainer = ours(tmp_path, [Term(Words(), 1.0, 0.5)], loss_type="grpo")
    batch = trainer._generate_and_score_completions(inputs())
    trainer.model.double()
    batch["advantages"] = batch["advantages"].double()
    _, gradient = loss_and_gradient(trainer, batch)

    model = policy().double()
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    length = batch["completion_ids"].shape[1]
    logits = model(input_ids=ids, attention_mask=attention).logits[:, -length - 1 : -1]
    logp = logits.log_softmax(-1).gather(2, batch["completion_ids"][:, :, None]).squeeze(2)
    mask = batch["completion_mask"]
    weighed = (batch["advantages"] * logp * mask).sum(1) / mask.sum(1)
    (-weighed.mean()).backward()
    by_hand = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert (gradient - by_hand).norm() / by_hand.norm() < 1e-5
    assert batch["advantages"].std(dim=1).max() > 0.1, "advantages must differ within a row"


def test_the_marked_tokens_get_the_credit(tmp_path):
    trainer = ours(tmp_path, [Term(Words(), 0.0, 1.0)], advantages.dr_grpo)
    batch = trainer._generate_and_score_completions(inputs())
    tok = tokenizer()
    row = 1  # "ein rotes Haus"
    ids = batch["completion_ids"][row][batch["completion_mask"][row].bool()].tolist()
    said = [tok.decode([i], skip_special_tokens=True) for i in ids]
    lowest = batch["advantages"][row].min()
    marked = [s for s, a in zip(said, batch["advantages"][row], strict=False) if a == lowest]
    assert "".join(marked).strip() == "Haus"


def test_a_reasoning_block_is_no_hypothesis(tmp_path):
    def think_first(prompts, trainer):
        tok = trainer.processing_class
        text = "<think>Haus or house?</think>\n\nein Haus"
        return {
            "prompt_ids": [tok(p)["input_ids"] for p in prompts],
            "completion_ids": [tok(text)["input_ids"]] * len(prompts),
            "logprobs": None,
        }

    trainer = ours(tmp_path, [Term(Words(), 0.0, 1.0)], advantages.dr_grpo)
    trainer.rollout_func = think_first
    batch = trainer._generate_and_score_completions(inputs())
    assert trainer.rollout is not None
    assert {c.hypothesis for c in trainer.rollout.candidates} == {"ein Haus"}
    tok = tokenizer()
    ids = batch["completion_ids"][0].tolist()
    lowest = batch["advantages"][0].min()
    marked = [at for at, a in enumerate(batch["advantages"][0]) if a == lowest]
    assert tok.decode([ids[at] for at in marked]).strip() == "Haus"
    assert min(marked) > len(ids) // 2, "the Haus of the reasoning must not be marked"


@pytest.mark.parametrize("suffix", [False, True])
def test_the_separator_is_sampled_and_is_no_hypothesis(tmp_path, suffix):
    """Its token has no credit; a policy that samples no separator, or more, keeps its text."""
    tok = copy.deepcopy(tokenizer())
    if suffix:  # an end of sequence after every text, which a prompt must not have
        end = ("<|im_end|>", tok.eos_token_id)
        tok.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="$A <|im_end|>", special_tokens=[end]
        )
    said = [" ein Haus", "Haus", "  Haus", " Haus"] * 3
    ids = [tok(text, add_special_tokens=False)["input_ids"] for text in said]

    def answer(prompts, trainer):
        asked, *_ = trainer._tokenize_prompts(prompts)
        assert asked == [prompt_ids(tok, prompt) for prompt in prompts]
        assert tok.eos_token_id not in asked[0]
        return {"prompt_ids": asked, "completion_ids": ids, "logprobs": None}

    trainer = ours(tmp_path, [Term(Words(), 0.0, 1.0)], advantages.dr_grpo)
    trainer.rollout_func = answer
    trainer.processing_class = trainer._tokenizer = trainer.reward_phase._tokenizer = tok
    asked = [{**row, "prompt": f"{row['prompt']}:"} for row in inputs()]  # a space follows a label
    batch = trainer._generate_and_score_completions(asked)
    assert batch["completion_ids"][0, : len(ids[0])].tolist() == ids[0]
    assert [c.hypothesis for c in trainer.rollout.candidates[:4]] == [
        "ein Haus",
        "Haus",
        " Haus",
        "Haus",
    ]
    for row in range(4):
        ends, aligned = trainer.rollout.decoded[row].ends, trainer.rollout.decoded[row].aligned
        assert aligned
        assert ends[-1] == len(trainer.rollout.candidates[row].hypothesis)
    alone = tok.convert_ids_to_tokens(ids[0])[0] == "Ġ"
    assert (trainer.rollout.decoded[0].ends[0] == 0) == alone


@dataclass(frozen=True)
class Failing(Words):
    """The second row of every group fails in a given way."""

    how: Status = Status.UNPARSEABLE

    def key(self, candidate):
        return None

    def __call__(self, candidates):
        output = super().__call__(candidates)
        return RewardOutput.of(
            output.scores.tolist(),
            spans=output.spans,
            status=[self.how if i % 4 == 1 else Status.OK for i in range(len(candidates))],
        )


def test_failures_in_training(tmp_path):
    failed = ours(tmp_path / "a", [Term(Failing(), 1.0)])
    batch = failed._generate_and_score_completions(inputs())
    group = batch["advantages"][:4, 0]
    assert group[1] == group.min()
    gone = ours(tmp_path / "b", [Term(Failing(how=Status.UNAVAILABLE), 1.0, 0.5)])
    batch = gone._generate_and_score_completions(inputs())
    assert (batch["advantages"][[1, 5, 9]] == 0).all()
    assert (batch["advantages"][0] != 0).any()
    assert gone._metrics["train"]["rewards/words/status/unavailable"] == [0.25]


def test_a_run_writes_metrics_spans_and_token_advantages(tmp_path):
    trainer = ours(
        tmp_path, [Term(Words(), 1.0, 0.5)], log_completions=True, num_completions_to_print=0
    )
    trainer.train()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    for key in (
        "rewards/words/mean",
        "rewards/words/std",
        "rewards/words/share",
        "alignment/coverage",
        "token_credit/words/std",
        "frac_reward_zero_std",
    ):
        assert key in lines[0]
    assert lines[0]["alignment/coverage"] == 1.0
    tokens = pq.read_table(tmp_path / "tokens" / "tokens_00001-00.parquet").to_pylist()
    completions = pq.read_table(tmp_path / "completions" / "completions_00001.parquet").to_pylist()
    for record in tokens:
        theirs_row = completions[record["row"]]
        assert record["hypothesis"] == theirs_row["completion"]
        assert len(record["token_advantages"]) == len(record["token_starts"])
        mean = sum(record["token_advantages"]) / len(record["token_advantages"])
        assert mean == pytest.approx(theirs_row["advantage"], abs=1e-5)
    marked = tokens[1]["spans"][0]
    assert tokens[1]["hypothesis"][marked["start"] : marked["end"]] == "Haus"


def test_advantage_options_travel_by_partial(tmp_path):
    divided = functools.partial(advantages.gdpo, credit=advantages.divided_credit)
    trainer = ours(tmp_path, [Term(Words(), 1.0, 0.5)], divided)
    assert trainer._generate_and_score_completions(inputs())["advantages"].isfinite().all()


def test_evaluation_and_several_steps_per_generation(tmp_path):
    """Groups of one are evaluated, truncated rows are masked, and the log is of training."""
    trainer = GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble([Term(Words(), 1.0, 0.5)]),
        args=config(
            tmp_path,
            per_device_train_batch_size=4,
            steps_per_generation=3,
            max_steps=3,
            max_completion_length=6,
            mask_truncated_completions=True,
            eval_strategy="steps",
            eval_steps=1,
            num_generations_eval=1,
            per_device_eval_batch_size=2,
            log_completions=True,
            num_completions_to_print=0,
        ),
        train_dataset=dataset(),
        eval_dataset=dataset(),
        processing_class=tokenizer(),
    )
    trainer.train()
    assert any("eval_rewards/words/mean" in entry for entry in trainer.state.log_history)
    for path in (tmp_path / "tokens").glob("*.parquet"):
        assert pq.read_table(path).num_rows == 12
    assert all(p.isfinite().all() for p in trainer.model.parameters())


def test_a_gate_reaches_the_advantages(tmp_path):
    from rewardlab.rewards import NoRepetition

    trainer = GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble(
            [Term(Words(), 1.0, 0.5)], gates=[Gate(NoRepetition(n=1), below=0.7)]
        ),
        args=config(tmp_path),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    batch = trainer._generate_and_score_completions(inputs())
    looping = 11  # "Boot Boot Boot"
    assert trainer.rollout.scores.gated[looping] == "no_repetition"
    mask = batch["completion_mask"]
    means = (batch["advantages"] * mask).sum(1) / mask.sum(1)
    assert means[looping] == means[8:12].min()
    assert trainer._metrics["train"]["rewards/gated"][0] >= 1 / 12


def test_lora_adapters_train(tmp_path):
    from peft import LoraConfig

    trainer = GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble([Term(Words(), 1.0, 0.5)]),
        args=config(tmp_path, max_steps=1),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )
    before = {n: p.clone() for n, p in trainer.model.named_parameters() if p.requires_grad}
    trainer.train()
    assert all("lora" in name for name in before)
    after = dict(trainer.model.named_parameters())
    assert any(not torch.equal(after[name], weight) for name, weight in before.items())


def test_conversations_are_sampled_and_scored(tmp_path):
    tok = copy.deepcopy(tokenizer())
    tok.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    rows = [
        {"prompt": [{"role": "user", "content": f"Translate: {p}"}], "source": p} for p in PROMPTS
    ]
    trainer = GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble([Term(Words(), 1.0, 0.5)]),
        args=config(tmp_path, max_completion_length=8),
        train_dataset=Dataset.from_list(rows),
        processing_class=tok,
    )
    batch = trainer._generate_and_score_completions([row for row in rows for _ in range(4)])
    assert batch["advantages"].shape == batch["completion_mask"].shape
    assert trainer.rollout.candidates[0].prompt == "Translate: one house"
    assert trainer.rollout.candidates[0].source == "one house"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"loss_type": "vespo"}, "vespo"),
        ({"off_policy_mask_threshold": 0.1}, "off_policy_mask_threshold"),
        ({"importance_sampling_level": "sequence", "loss_type": "grpo"}, "one ratio"),
        ({"reward_weights": [1.0]}, "reward_weights is decided by the advantage"),
        ({"scale_rewards": "batch"}, "scale_rewards is decided"),
        ({"multi_objective_aggregation": "normalize_then_sum"}, "multi_objective_aggregation is"),
        ({"remove_unused_columns": True}, "would remove the source"),
    ],
)
def test_options_that_would_change_meaning_are_refused(tmp_path, options, reason):
    with pytest.raises(UserError, match=rf"E034.*{reason}"):
        ours(tmp_path, [Term(Words())], **options)


def test_an_advantage_of_another_shape_is_refused(tmp_path):
    trainer = ours(tmp_path, [Term(Words())], advantage=lambda rows, *_, **__: rows.values[:, 0])
    with pytest.raises(UserError, match=r"E025.*returned a tensor of float64 and shape \(12,\)"):
        trainer.train()


def test_missing_columns_are_named(tmp_path):
    @dataclass(frozen=True)
    class Reference(Words):
        needs_reference: bool = True

    arguments = {"args": config(tmp_path), "processing_class": tokenizer()}
    with pytest.raises(UserError, match=r"E032.*words reads references"):
        GRPOTrainer(
            policy(),
            ensemble=RewardEnsemble([Term(Reference())]),
            train_dataset=dataset().remove_columns("reference"),
            **arguments,
        )
    with pytest.raises(UserError, match=r"E109.*no column 'source'; the columns are"):
        GRPOTrainer(
            policy(),
            ensemble=RewardEnsemble([Term(Words())]),
            train_dataset=dataset().remove_columns("source"),
            **arguments,
        )


@pytest.mark.parametrize("where", ["train_dataset", "eval_dataset"])
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("source", None, "E109] {}source: row 1: nothing is not a text"),
        ("reference", ["a", "b"], "E109] {}reference: row 1: a list is not a text"),
        ("target_lang", 7, "E109] {}target_lang: row 1: the integer 7 is not a text"),
    ],
)
def test_rows_that_cannot_be_scored_are_refused_before_a_model_is_made(
    where, column, value, message
):
    good = {"prompt": "P", "source": "s", "reference": "r", "target_lang": None}
    rows = [{**good, "reference": ["a"]} if column == "reference" else dict(good), dict(good)]
    rows[1][column] = value
    if column == "reference":
        message = message.replace("row 1", "row 0") + "; 2 of 2 rows"
    given = {"train_dataset": Dataset.from_list([good]), where: Dataset.from_list(rows)}
    with pytest.raises(UserError) as caught:
        GRPOTrainer("no-model/is-loaded", ensemble=RewardEnsemble([Term(Words())]), **given)
    assert str(caught.value).startswith(f"error[{message.format(where + '.')}")


def test_an_ensemble_that_learns_nothing_is_refused():
    ensemble = RewardEnsemble([Term(Words(), weight=0.0)])
    with pytest.raises(UserError, match=r"E038\] ensemble: every weight and token_weight is 0"):
        GRPOTrainer("no-model/is-loaded", ensemble=ensemble, train_dataset=dataset())


# ── two processes ───────────────────────────────────────────────────────────────────────────────


def torchrun(tmp_path, mode, processes):
    script = Path(__file__).with_name("two_ranks.py")
    tests, known = str(script.parents[1]), os.environ.get("PYTHONPATH")
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone",
            "--nproc-per-node", str(processes), str(script), mode, str(tmp_path),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [tests, str(script.parent), known])),
            "OMP_NUM_THREADS": "1",
            "TRL_EXPERIMENTAL_SILENCE": "1",
        },
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_two_processes_give_the_advantages_of_one_and_equal_parameters(tmp_path):
    """Six rows a process and groups of four: the second group straddles both."""
    for processes in (1, 2):
        done = torchrun(tmp_path, "train", processes)
        assert done.returncode == 0, done.stderr[-3000:]
    alone = torch.load(tmp_path / "1-0.pt")
    first, second = torch.load(tmp_path / "2-0.pt"), torch.load(tmp_path / "2-1.pt")
    together = first["advantages"] + second["advantages"]
    assert len(together) == len(alone["advantages"]) == 12
    for row, expected in zip(together, alone["advantages"], strict=True):
        torch.testing.assert_close(row, expected, atol=1e-6, rtol=0)
    for name, weight in first["parameters"].items():
        assert torch.equal(weight, second["parameters"][name]), name
        torch.testing.assert_close(weight, alone["parameters"][name], atol=1e-4, rtol=0)
    assert first["metrics"]["token_credit/words/std"] == pytest.approx(
        alone["metrics"]["token_credit/words/std"]
    )


def test_an_exception_on_one_process_stops_both_with_the_name(tmp_path):
    done = torchrun(tmp_path, "raise", 2)
    assert done.returncode != 0
    for rank in (0, 1):
        seconds, message = (tmp_path / f"stopped-{rank}").read_text().split(" ", 1)
        assert float(seconds) < 10
        assert "reward words raised" in message
        assert "no such judge" in message


def test_a_blind_reward_stops_both_processes(tmp_path):
    done = torchrun(tmp_path, "blind", 2)
    assert done.returncode != 0
    for rank in (0, 1):
        _, message = (tmp_path / f"stopped-{rank}").read_text().split(" ", 1)
        assert "error[E130] reward words: gives every planted text the same score" in message


def test_prompts_fixture_matches_groups():
    assert len(inputs()) == 4 * len(PROMPTS)


def test_the_hypothesis_begins_where_the_policys_template_ends_reasoning():
    template = "{{ '<reasoning>' + x + '</reasoning>' }}"
    trainer = SimpleNamespace(_tokenizer=SimpleNamespace(chat_template=template))
    for completion in ("Hm.</think>\n\nHallo.", "<reasoning>Hm.</reasoning> Hallo.", "Hallo."):
        start, end = GRPOTrainer.hypothesis_bounds(trainer, completion)
        assert completion[start:end] == "Hallo."


def test_rows_with_a_language_that_does_not_exist_are_refused_before_training():
    rows = [{"prompt": "a", "source": "a", "target_lang": code} for code in ("de", "Germn", None)]
    with pytest.raises(UserError, match="target_lang: unknown language 'Germn' in 1 of 3 rows"):
        check_training(RewardEnsemble([Term(NotEmpty())]), train_dataset=Dataset.from_list(rows))
    check_training(RewardEnsemble([Term(NotEmpty())]), train_dataset=Dataset.from_list(rows[::2]))


def test_a_guard_that_misses_a_language_is_logged_once(tmp_path, caplog):
    trainer = ours(tmp_path, [Term(Words()), Term(TargetScript(), weight=0.0)])
    with caplog.at_level(logging.WARNING, logger="rewardlab"):
        for _ in range(2):
            trainer._generate_and_score_completions(inputs())
    lines = [one.message for one in caplog.records if one.name.startswith("rewardlab")]
    assert lines == ["no target_lang: target_script does not apply"]
