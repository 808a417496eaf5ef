"""The demonstration: a small translator learns from flawed text, and RL then corrects its errors.

The steps are: grammar -> imperfect pairs -> SFT to the best held-out loss -> RL with an ensemble.
The same held-out sentences are measured before and after RL, by metrics that are not rewards.
Nothing is downloaded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset
from rich.console import Console
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
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
from rewardlab.generate.local import continue_prompts
from rewardlab.miniature.grammar import Grammar, SentencePair
from rewardlab.miniature.noise import with_error
from rewardlab.report.progress import Progress
from rewardlab.rewards import ChrF, LexicalSpans, NoRepetition, NotEmpty
from rewardlab.store.run_directory import start_run
from rewardlab.text.prompts import arrow
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.trainers.run_log import append_metrics, no_printing
from rewardlab.trainers.sft import Example, fine_tune
from rewardlab.types import Gate, Term

LANGUAGES = {"source_lang": "en", "target_lang": "de"}
MAX_NEW_TOKENS = 40
HABITS = ("wrong order", "wrong ending")
"""Errors of the fine-tuning text; a flawed sentence gets the first one that applies to it."""
FLAWED_HELDOUT = 300
"""Number of flawed pairs for the held-out loss, which decides when SFT stops."""


@dataclass(frozen=True)
class DemoSettings:
    """Sizes of the demonstration; the defaults take about two minutes on two cores.

    Attributes:
        seed: Seed of the sentences, the noise, the weights and the sampling.
        sft_pairs: Number of pairs to fine-tune on, with errors in the targets.
        error_rate: Share of these targets with an error.
        rl_prompts: Number of sources for RL, with correct references; none is seen in SFT.
        heldout: Number of sentences that are used for measuring only.
        sft_steps: Maximum number of SFT steps; SFT stops at its best held-out loss.
        rl_steps: Number of optimizer steps of RL.
        rl_rows: Number of completions per RL step, eight for each source.
        rl_learning_rate: Learning rate of RL, reached after ten steps of warm-up.
        token_weight: Weight of the error spans at token level; 0 trains without error spans.
        measure_every: Number of RL steps between measurements of the held-out sentences.
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
    """The result of the demonstration.

    Attributes:
        before: Quality of the SFT policy on the held-out sentences.
        after: Quality of the same policy after RL.
        curve: Pairs of RL step and quality, step 0 first.
        trainer: The trainer, with its log history and its last rollout.
    """

    before: Quality
    after: Quality
    curve: list[tuple[int, Quality]]
    trainer: GRPOTrainer


def run_demo(
    directory: Path,
    settings: DemoSettings,
    *,
    say: Callable[[str], None] = lambda _: None,
    console: Console | None = None,
) -> DemoResult:
    """Run the demonstration.

    Args:
        directory: The run directory; must be empty or new.
        settings: Sizes and seed.
        say: Receives progress lines.
        console: Shows the progress of both trainings; None shows nothing.
    """
    ensemble = demo_ensemble(settings.token_weight)
    start_run(directory, config=strict_yaml.dump(asdict(settings)), signature=ensemble.signature)
    sentences = draw_sentences(settings)
    say(f"{settings.sft_pairs} English-German pairs, {settings.error_rate:.0%} with an error")
    with shown_on(console, "fine-tuning", main="loss", heldout="eval_loss") as progress:
        tokenizer, policy = fine_tuned_policy(directory, settings, sentences, progress)
    with shown_on(console, "RL", main="rewards/chrf/mean", heldout="", label="chrf") as progress:
        return reinforce(
            directory, settings, sentences, tokenizer, policy, say=say, callbacks=[progress]
        )


def shown_on(console: Console | None, name: str, **measures: Any) -> Progress:
    """The progress of a training on a console; None shows nothing."""
    return Progress(name, shows=console is not None, console=console, **measures)


def demo_ensemble(token_weight: float) -> RewardEnsemble:
    """The rewards: chrF for sentences, spans against the reference for tokens, and two gates."""
    return RewardEnsemble(
        [Term(ChrF()), Term(LexicalSpans(), weight=0.0, token_weight=token_weight)],
        gates=[Gate(NotEmpty(), below=0.5), Gate(NoRepetition(n=4), below=0.5)],
    )


def draw_sentences(settings: DemoSettings) -> Sentences:
    """Draw all pairs at once, so that no source is in two of the sets."""
    sizes = (settings.sft_pairs, FLAWED_HELDOUT, settings.rl_prompts, settings.heldout)
    pairs = iter(Grammar.load(*LANGUAGES.values()).pairs(sum(sizes), seed=settings.seed))
    train, validation, rl, heldout = (list(islice(pairs, size)) for size in sizes)
    rng = random.Random(settings.seed)  # noqa: S311 - sentences, not secrets
    flawed = [
        Example(_prompt(pair.source), flawed_target(pair, rng, rate=settings.error_rate))
        for pair in (*train, *validation)
    ]
    return Sentences(flawed[: len(train)], flawed[len(train) :], rl, heldout)


def flawed_target(pair: SentencePair, rng: random.Random, *, rate: float) -> str:
    """German with systematic errors: English word order, else a wrong adjective ending.

    With random errors the correct form would still be the most likely form, and a policy trained on
    them would hardly make errors in greedy decoding. Systematic errors are learned.

    Args:
        pair: The sentence and its correct translation.
        rng: Generator of the draws.
        rate: Probability of an error.
    """
    for habit in HABITS if rng.random() < rate else ():
        flawed = with_error(pair, rng, kind=habit)
        if flawed.spans:
            return flawed.hypothesis
    return pair.target


def fine_tuned_policy(
    directory: Path, settings: DemoSettings, sentences: Sentences, *callbacks: TrainerCallback
) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """A tokenizer and a policy of 0.4M parameters, both trained from scratch on the flawed text.

    Args:
        directory: The run directory.
        settings: Sizes and seed.
        sentences: The pairs from `draw_sentences`.
        *callbacks: Callbacks of the trainer.
    """
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
        callbacks=callbacks,
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
    callbacks: Sequence[TrainerCallback] = (),
) -> DemoResult:
    """RL with the correct references, measured on the held-out sentences every few steps.

    Args:
        directory: The run directory.
        settings: Sizes and seed.
        sentences: The pairs from `draw_sentences`.
        tokenizer: The policy's tokenizer.
        policy: Trained in place.
        say: Receives progress lines.
        callbacks: Further callbacks of the trainer.
    """
    watch = Watch(sentences.heldout, tokenizer, settings.measure_every, say, directory)
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
        callbacks=[watch, *callbacks],
    )
    no_printing(trainer)
    watch.measure(policy, step=0)
    trainer.train()
    trainer.save_model(str(directory / "model"))
    return DemoResult(watch.curve[0][1], watch.curve[-1][1], watch.curve, trainer)


@dataclass(eq=False)
class Watch(TrainerCallback):
    """Translates the held-out sentences every few steps and measures the translations.

    Attributes:
        pairs: The sentences.
        tokenizer: The policy's tokenizer.
        every: Steps between measurements.
        say: Receives a line for each measurement.
        directory: The run directory; ``metrics.jsonl`` gets the measurements as ``heldout/...``.
        curve: Pairs of RL step and quality so far.
    """

    pairs: Sequence[SentencePair]
    tokenizer: PreTrainedTokenizerFast
    every: int
    say: Callable[[str], None]
    directory: Path
    curve: list[tuple[int, Quality]] = field(default_factory=list)

    def measure(self, policy: PreTrainedModel, *, step: int) -> None:
        """Translate greedily and append to the curve.

        Args:
            policy: The policy.
            step: RL step of the policy.
        """
        translations = continue_prompts(
            policy,
            self.tokenizer,
            [_prompt(pair.source) for pair in self.pairs],
            Sampling(max_new_tokens=MAX_NEW_TOKENS),
            batch_size=100,
        )
        found = quality([one.text for (one,) in translations], [pair.target for pair in self.pairs])
        self.curve.append((step, found))
        measured = {f"heldout/{name}": value for name, value in found._asdict().items()}
        append_metrics(self.directory, step, measured)
        self.say(f"RL step {step}: exact match {found.exact_match:.1f}%, TER {found.ter:.1f}")

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **model: Any,
    ) -> None:
        """Measure every few steps, and at the end."""
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self.measure(model["model"], step=state.global_step)


def _prompt(source: str) -> str:
    return arrow(source, **LANGUAGES)


def _row(pair: SentencePair) -> dict[str, str]:
    texts = {"source": pair.source, "reference": pair.target}
    return {"prompt": _prompt(pair.source), **texts, **LANGUAGES}


def _quiet(seed: int) -> dict[str, Any]:
    """Options of both trainers: this seed, the CPU, no output on the screen."""
    return {
        "seed": seed,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "disable_tqdm": True,
        "activation_checkpointing": False,
    }
