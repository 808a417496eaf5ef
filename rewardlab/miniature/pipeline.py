"""The embedded default: a small translator is taught from flawed text, then corrected by rewards.

grammar -> imperfect pairs -> SFT to its best held-out loss -> RL with an ensemble -> the same
held-out sentences before and after, by measures that are not rewards. Nothing is downloaded.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import GRPOConfig

from rewardlab.config import strict_yaml
from rewardlab.ensemble import RewardEnsemble
from rewardlab.evaluation.evaluate import Quality, quality
from rewardlab.generate import Sampling
from rewardlab.generate.local import decode
from rewardlab.miniature.grammar import Grammar, SentencePair
from rewardlab.miniature.noise import with_error
from rewardlab.rewards import ChrF, LexicalSpans, NoRepetition, NotEmpty
from rewardlab.store.run_directory import start_run
from rewardlab.text.prompts import arrow
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.trainers.sft import Example, fine_tune
from rewardlab.types import Gate, Term

MAX_NEW_TOKENS = 40
HABITS = ("wrong order", "wrong ending")
"""Errors of the fine-tuning text, the first that a sentence has room for."""


@dataclass(frozen=True)
class DemoSettings:
    """Sizes of the demonstration; the defaults take about two minutes on two cores.

    Attributes:
        seed: Of the sentences, the noise, the weights and the sampling.
        sft_pairs: Pairs to fine-tune on, with errors in their targets.
        error_rate: Share of those targets that hold an error.
        rl_prompts: Sources for RL, with correct references, none of them seen in SFT.
        heldout: Sentences that are only measured.
        sft_steps: At most; SFT stops at its best held-out loss.
        rl_steps: Optimizer steps of RL.
        rl_rows: Completions per step, eight for each source.
        rl_learning_rate: After ten steps of warm-up.
        token_weight: Weight of the error spans at token level; 0 trains without them.
        measure_every: RL steps between two measurements of the held-out sentences.
    """

    seed: int = 0
    sft_pairs: int = 4000
    error_rate: float = 0.7
    rl_prompts: int = 1000
    heldout: int = 300
    sft_steps: int = 400
    rl_steps: int = 80
    rl_rows: int = 128
    rl_learning_rate: float = 2e-4
    token_weight: float = 0.5
    measure_every: int = 10


class Sentences(NamedTuple):
    """Disjoint pairs: flawed ones to fine-tune on, sources for RL, and held-out ones."""

    flawed: list[Example]
    flawed_heldout: list[Example]
    rl: list[SentencePair]
    heldout: list[SentencePair]


class DemoResult(NamedTuple):
    """What the demonstration measured.

    Attributes:
        before: The SFT policy on the held-out sentences.
        after: The same policy after RL.
        curve: (RL step, quality) along the way, step 0 first.
        trainer: With its log history and its last rollout.
    """

    before: Quality
    after: Quality
    curve: list[tuple[int, Quality]]
    trainer: GRPOTrainer


def run_demo(
    directory: Path, settings: DemoSettings, *, say: Callable[[str], None] = lambda _: None
) -> DemoResult:
    """Run it all and leave a run directory behind.

    Args:
        directory: Of the run; must be empty or new.
        settings: Sizes and seed.
        say: Told what happens.
    """
    ensemble = demo_ensemble(settings.token_weight)
    start_run(directory, config=strict_yaml.dump(asdict(settings)), signature=ensemble.signature)
    sentences = draw_sentences(settings)
    say(f"{settings.sft_pairs} English-German pairs, {settings.error_rate:.0%} with an error")
    tokenizer, policy = fine_tuned_policy(directory, settings, sentences)
    return reinforce(directory, settings, sentences, tokenizer, policy, say=say)


def demo_ensemble(token_weight: float) -> RewardEnsemble:
    """Sentences are scored by chrF, tokens by error spans against the reference; guards gate."""
    return RewardEnsemble(
        [Term(ChrF()), Term(LexicalSpans(), weight=0.0, token_weight=token_weight)],
        gates=[Gate(NotEmpty(), below=0.5), Gate(NoRepetition(n=4), below=0.5)],
    )


def draw_sentences(settings: DemoSettings) -> Sentences:
    """Draw all pairs at once, so that no source stands in two of the sets."""
    grammar = Grammar.load("en", "de")
    flawed_heldout = 300
    total = settings.sft_pairs + flawed_heldout + settings.rl_prompts + settings.heldout
    pairs = grammar.pairs(total, seed=settings.seed)
    rng = random.Random(settings.seed)  # noqa: S311 - sentences, not secrets
    first = settings.sft_pairs + flawed_heldout
    flawed = [
        Example(_prompt(pair.source), flawed_target(pair, rng, rate=settings.error_rate))
        for pair in pairs[:first]
    ]
    return Sentences(
        flawed=flawed[: settings.sft_pairs],
        flawed_heldout=flawed[settings.sft_pairs :],
        rl=pairs[first : first + settings.rl_prompts],
        heldout=pairs[first + settings.rl_prompts :],
    )


def flawed_target(pair: SentencePair, rng: random.Random, *, rate: float) -> str:
    """The German of somebody with habits: English word order, else a wrong adjective ending.

    Errors at random would leave the right form the most likely one, and greedy translations of a
    policy that learnt from them nearly clean; a habit is learnt.
    """
    if rng.random() < rate:
        for habit in HABITS:
            said = with_error(pair, rng, kind=habit)
            if said.spans:
                return said.hypothesis
    return pair.target


def fine_tuned_policy(
    directory: Path, settings: DemoSettings, sentences: Sentences
) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """A tokenizer and a 0.4M-parameter policy, both from nothing but the flawed text."""
    texts = [text for example in sentences.flawed for text in example.texts]
    tokenizer = train_tokenizer(texts, vocab_size=1000)
    policy = new_policy(tokenizer, hidden_size=96, layers=3, heads=4, seed=settings.seed)
    fine_tune(
        policy,
        tokenizer,
        sentences.flawed,
        sentences.flawed_heldout,
        directory / "sft",
        max_steps=settings.sft_steps,
        eval_steps=50,
        per_device_train_batch_size=64,
        per_device_eval_batch_size=100,
        learning_rate=4e-3,
        lr_scheduler_type="cosine",
        warmup_steps=20,
        **_quiet(settings.seed),
    )
    return tokenizer, policy


def reinforce(
    directory: Path,
    settings: DemoSettings,
    sentences: Sentences,
    tokenizer: PreTrainedTokenizerFast,
    policy: PreTrainedModel,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> DemoResult:
    """RL on the correct references, measured on the held-out sentences along the way."""
    watch = Watch(sentences.heldout, tokenizer, every=settings.measure_every, say=say)
    trainer = GRPOTrainer(
        policy,
        ensemble=demo_ensemble(settings.token_weight),
        args=GRPOConfig(
            output_dir=str(directory),
            num_generations=8,
            per_device_train_batch_size=settings.rl_rows,
            max_completion_length=MAX_NEW_TOKENS,
            max_steps=settings.rl_steps,
            learning_rate=settings.rl_learning_rate,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=10,
            loss_type="dapo",
            log_completions=True,
            num_completions_to_print=0,
            save_strategy="no",
            logging_steps=5,
            **_quiet(settings.seed),
        ),
        train_dataset=Dataset.from_list([_row(pair) for pair in sentences.rl]),
        processing_class=tokenizer,
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)  # metrics.jsonl has what it would print
    watch.measure(policy, step=0)
    trainer.train()
    trainer.save_model(str(directory / "model"))
    return DemoResult(watch.curve[0][1], watch.curve[-1][1], watch.curve, trainer)


class Watch(TrainerCallback):
    """Translates the held-out sentences every few steps and keeps what they measured."""

    def __init__(
        self,
        pairs: list[SentencePair],
        tokenizer: PreTrainedTokenizerFast,
        *,
        every: int,
        say: Callable[[str], None],
    ) -> None:
        self.curve: list[tuple[int, Quality]] = []
        self._pairs, self._tokenizer, self._every, self._say = pairs, tokenizer, every, say

    def measure(self, policy: PreTrainedModel, *, step: int) -> None:
        """Translate greedily and append to the curve."""
        done = decode(
            policy,
            self._tokenizer,
            [_prompt(pair.source) for pair in self._pairs],
            Sampling(max_new_tokens=MAX_NEW_TOKENS),
            batch_size=100,
        )
        found = quality([one.text for (one,) in done], [pair.target for pair in self._pairs])
        self.curve.append((step, found))
        self._say(f"RL step {step}: exact match {found.exact_match:.1f}%, TER {found.ter:.1f}")

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **model: Any,
    ) -> None:
        """Measure when it is time, and at the end."""
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self.measure(model["model"], step=state.global_step)


def _prompt(source: str) -> str:
    return arrow(source, source_lang="en", target_lang="de")


def _row(pair: SentencePair) -> dict[str, str]:
    return {
        "prompt": _prompt(pair.source),
        "source": pair.source,
        "reference": pair.target,
        "source_lang": "en",
        "target_lang": "de",
    }


def _quiet(seed: int) -> dict[str, Any]:
    """Options that both trainers share: the CPU, this seed, and nothing on the screen."""
    return {
        "seed": seed,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "disable_tqdm": True,
        "activation_checkpointing": False,
    }
