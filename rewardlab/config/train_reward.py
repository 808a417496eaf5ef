"""The configuration of ``rewardlab train-reward``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rewardlab.config.checks import NOWHERE, checkpoint_problems
from rewardlab.config.sections import (
    FileName,
    Number,
    Options,
    Section,
    Seed,
    ShapeConfig,
    Text,
    TextsConfig,
    Whole,
    as_list,
)
from rewardlab.config.sft import EVALUATIONS
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.config.trainer_block import OWNED, effective, option_problems, trl_config
from rewardlab.errors import Problem
from rewardlab.scorers.document_split import Fold

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from rewardlab.scorers.families.family import Family

REWARD_OWNED: Mapping[str, str] = {
    **OWNED,
    "resume_from_checkpoint": "run the same command again; it goes on from its run directory",
    **dict.fromkeys(
        ("eval_strategy", "save_strategy", "load_best_model_at_end", "save_total_limit"),
        "a run is measured every eval_steps and saved each time; patience: decides what is kept",
    ),
    **dict.fromkeys(
        ("metric_for_best_model", "greater_is_better"),
        "the validation loss decides; remove it",
    ),
    **dict.fromkeys(
        ("save_only_model", "ignore_data_skip", "enable_jit_checkpoint", "save_steps"),
        "a run that is stopped must go on as if it had not been; remove it",
    ),
    **dict.fromkeys(
        ("completion_only_loss", "assistant_only_loss", "dataset_text_field", "packing"),
        "the loss is on the answer only; remove it",
    ),
    **dict.fromkeys(
        ("train_sampling_strategy", "group_by_length", "length_column_name"),
        "rows of like length share a batch, in an order that a stopped run repeats; remove it",
    ),
    "chat_template_path": "save the template with the checkpoint's tokenizer",
}
"""Options of the trainers that a run decides, and where."""
STAGE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
FAMILIES = ("metricx", "automqm", "generalist")
TEST = 0.2
"""Share of the test side where the configuration says nothing."""


class MetricXConfig(Section):
    """A MetricX regressor.

    Attributes:
        mode: What it reads: ``qe`` the source, ``reference`` the reference and in 24 the source
            too, ``hybrid`` both in turn (24 only).
        version: How inputs are written.
        max_length: Longest input in tokens; 0 for that of the version.
        failures: Made-up rows beside those that people judged, as a share of them: untranslated,
            truncated, repeated, unrelated, without punctuation.
        span_weight: Of a second question while training, which tokens raters marked; in squared
            MQM points for each nat, 0 does not ask.
        tokenizer: Directory of the tokenizer; null for the checkpoint's own.
        pickle_sha256: Of a starting checkpoint that is a pickle, without which it is not read.
    """

    mode: Literal["qe", "reference", "hybrid"] = "qe"
    version: Literal["23", "24"] = "24"
    max_length: Annotated[Whole, Field(ge=0)] = 0
    failures: Annotated[Number, Field(ge=0)] = 0.0
    span_weight: Annotated[Number, Field(ge=0)] = 0.0
    tokenizer: FileName | None = None
    pickle_sha256: Annotated[str, Field(strict=True)] = ""

    @model_validator(mode="after")
    def _a_digest(self) -> Self:
        if not re.fullmatch("([0-9a-f]{64})?", self.pickle_sha256):
            context = {"key": "pickle_sha256", "value": self.pickle_sha256}
            message = "write the 64 hexadecimal digits of sha256sum"
            raise PydanticCustomError("out_of_range", message, context)
        return self


class AutoMQMConfig(Section):
    """A language model that lists errors.

    Attributes:
        reference: Show it the reference as well.
        chat: Through its chat template; without it, as a text to continue.
        prompt: A prompt file in place of ours, or ``automqm_short``, the one of few words for
            models from scratch.
        no_errors: Share of the training answers that find no error, reached by leaving out or
            repeating rows.
        max_new_tokens: Longest answer when it is used.
    """

    reference: bool = Field(default=False, strict=True)
    chat: bool = Field(default=True, strict=True)
    prompt: Annotated[str, Field(strict=True)] = ""
    no_errors: Annotated[Number, Field(ge=0, lt=1)] = 0.5
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 512


class GeneralistConfig(Section):
    """A Bradley-Terry reward model.

    Attributes:
        smallest_margin: Of two judged translations of one text, the scores differ by so much, in
            MQM points.
        most_per_segment: Pairs of one text at most.
        margins: Ask for a larger difference where people saw one.
        margin_scale: A margin's unit, in logits for each MQM point.
    """

    smallest_margin: Annotated[Number, Field(gt=0)] = 1.0
    most_per_segment: Annotated[Whole, Field(ge=1)] = 8
    margins: bool = Field(default=True, strict=True)
    margin_scale: Annotated[Number, Field(gt=0)] = 0.1


class JudgementsConfig(Section):
    """Translations that people judged.

    Attributes:
        file: MQM, or scores of whole translations: whatever ``rewardlab metaeval`` reads.
        format: Of the file; ``auto`` looks at it.
        source_lang: In place of the one that the file names.
        target_lang: Likewise.
        reference_system: Whose texts are the references.
        severities: What a marked error costs: a table's name or file.
        lower_is_better: The numbers of the file are errors.
    """

    file: FileName
    format: Literal["auto", "mqm", "mtme", "esa", "table"] = "auto"
    source_lang: Text | None = None
    target_lang: Text | None = None
    reference_system: Text | None = None
    severities: Text = "wmt"
    lower_is_better: bool = Field(default=False, strict=True)


class PreferencesConfig(Section):
    """Pairs of answers, one better than the other.

    Attributes:
        file: JSONL in TRL's preference format.
    """

    file: FileName


class StageConfig(Section):
    """One training run; the next stage starts from what it gives.

    A stage learns from people's scores of ``judgements`` and from ``preferences``. With ``damaged``
    it learns from parallel text in their place: every reference as it is, and so many damaged
    versions of it; ``texts`` are then corpora, and of ``judgements`` sources and references are
    read.

    Attributes:
        name: Of its directory.
        judgements: One mapping or a list.
        preferences: For the generalist; one mapping or a list.
        texts: Parallel corpora for ``damaged``; one mapping or a list.
        damaged: Damaged versions of each reference; 0 learns from people.
        patience: Evaluations without improvement before training stops, and the best model by its
            validation loss is kept; null trains to the end and keeps what that gives.
        trainer: Options of this stage, over those of the file.
    """

    name: Text
    judgements: Annotated[tuple[JudgementsConfig, ...], BeforeValidator(as_list)] = Field(
        default=(), strict=False
    )
    preferences: Annotated[tuple[PreferencesConfig, ...], BeforeValidator(as_list)] = Field(
        default=(), strict=False
    )
    texts: Annotated[tuple[TextsConfig, ...], BeforeValidator(as_list)] = Field(
        default=(), strict=False
    )
    damaged: Annotated[Whole, Field(ge=0)] = 0
    patience: Annotated[Whole, Field(ge=1)] | None = None
    trainer: Options = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _names_a_directory(self) -> Self:
        if not STAGE_NAME.fullmatch(self.name):
            context = {"key": "name", "value": self.name}
            message = "write lower-case letters, digits and hyphens"
            raise PydanticCustomError("out_of_range", message, context)
        return self


class ScorerModelConfig(Section):
    """What training starts from; exactly one of ``path`` and ``from_scratch``.

    Attributes:
        path: A published checkpoint of the family, or one that was trained here.
        from_scratch: A small model with random weights, and a tokenizer of the run's own texts.
    """

    path: FileName | None = None
    from_scratch: ShapeConfig | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.path is None) == (self.from_scratch is None):
            raise PydanticCustomError("exactly_one", "needs exactly one of path and from_scratch")
        return self


class FoldConfig(Section):
    """One part of a cross-validation; every document is on the test side of exactly one.

    Attributes:
        number: Which, from 1.
        of: How many.
    """

    number: Annotated[Whole, Field(ge=1)]
    of: Annotated[Whole, Field(ge=2)]

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.number > self.of:
            context = {"key": "number", "value": self.number}
            raise PydanticCustomError("out_of_range", "write one from 1 to `of`", context)
        return self


class SplitConfig(Section):
    """Whole documents that are set aside; documents that share a text stay together.

    Attributes:
        validation: Share that gives the validation loss.
        test: Share that nothing is decided by, and on which the scorer is measured; `TEST` where
            there is no ``fold``.
        fold: The test side is this part of the documents, in place of a share.
    """

    validation: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    test: Annotated[Number, Field(gt=0, lt=1)] | None = None
    fold: FoldConfig | None = None

    @property
    def test_side(self) -> float | Fold:
        """What `rewardlab.scorers.document_split.split_documents` sets aside."""
        if self.fold is not None:
            return Fold(self.fold.number, self.fold.of)
        return TEST if self.test is None else self.test

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.fold is not None and self.test is not None:
            raise PydanticCustomError("exactly_one", "takes test or fold, not both")
        share = TEST if self.test is None else self.test
        share = share if self.fold is None else 1 / self.fold.of
        if self.validation + share >= 1:
            key = "validation" if self.test is None else "test"
            context = {"key": key, "value": getattr(self, key)}
            message = "write shares that leave something to train on"
            raise PydanticCustomError("out_of_range", message, context)
        return self


class ScorerConfig(Section):
    """Which family is trained, with that family's options; exactly one of them.

    Attributes:
        metricx: A regressor.
        automqm: A judge that lists errors.
        generalist: A reward model.
    """

    metricx: MetricXConfig | None = None
    automqm: AutoMQMConfig | None = None
    generalist: GeneralistConfig | None = None

    @property
    def family(self) -> str:
        """The name of the one that is asked for."""
        return next(name for name in FAMILIES if getattr(self, name) is not None)

    @property
    def needs_reference(self) -> bool:
        """Whether it reads references."""
        with_metricx = self.metricx is not None and self.metricx.mode != "qe"
        return with_metricx or (self.automqm is not None and self.automqm.reference)

    @property
    def smallest_margin(self) -> float:
        """By how much the scores of two translations differ for one to be preferred."""
        return 0.0 if self.generalist is None else self.generalist.smallest_margin

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in FAMILIES) != 1:
            what = f"needs exactly one of {', '.join(FAMILIES)}"
            raise PydanticCustomError("exactly_one", "{what}", {"what": what})
        return self


class TrainRewardConfig(Section):
    """A run that trains a scorer.

    Attributes:
        run: The directory it writes; the same configuration goes on where it was stopped.
        seed: Of everything random.
        scorer: Its family and that family's options.
        model: What training starts from.
        split: What is set aside.
        stages: One after the other; the scorer is measured on the test documents of the last.
        trainer: Options of every stage, by the names of transformers and TRL.
        resamples: Of the test segments, for intervals.
    """

    run: FileName
    seed: Seed = 0
    scorer: ScorerConfig
    model: ScorerModelConfig
    split: SplitConfig = SplitConfig()
    stages: Annotated[tuple[StageConfig, ...], BeforeValidator(as_list)] = Field(
        min_length=1, strict=False
    )
    trainer: Options = Field(default_factory=dict[str, Any])
    resamples: Annotated[Whole, Field(ge=1)] = 1000


def check_train_reward(
    config: TrainRewardConfig, document: Document = NOWHERE
) -> Iterator[Problem]:
    """What is wrong between the parts of a configuration whose schema holds."""
    if config.model.path is not None:
        yield from checkpoint_problems(config.model.path, ("model", "path"), document)
    names = [stage.name for stage in config.stages]
    for at, stage in enumerate(config.stages):
        if stage.name in names[:at]:
            what = f"two stages are named {stage.name}"
            yield Problem("E036", document.where(("stages", at, "name")), what, "rename one")
        yield from _stage_problems(config, at, stage, document)
        yield from _read_twice(at, stage, document)
    last = config.stages[-1]
    if last.damaged:
        what = "the last stage learns from damaged texts, and on people's judgements it is measured"
        where = document.where(("stages", len(names) - 1, "damaged"))
        yield Problem("E048", where, what, "add a stage with judgements: behind it")
    metricx = config.scorer.metricx
    if metricx is not None and (metricx.mode, metricx.version) == ("hybrid", "23"):
        what = "only version 24 reads sources and references with one model"
        where = document.where(("scorer", "metricx", "mode"))
        yield Problem("E048", where, what, "mode: qe, or reference")
        return  # there is no such family whose options could be looked at
    options = family_of(config).options_class
    for at, stage in enumerate(config.stages):
        keys: Keys = ("stages", at, "trainer")
        yield from option_problems(stage.trainer, options, document, owned=REWARD_OWNED, at=keys)
    yield from option_problems(config.trainer, options, document, owned=REWARD_OWNED)


_Entry: TypeAlias = JudgementsConfig | PreferencesConfig | TextsConfig


def _read_twice(at: int, stage: StageConfig, document: Document) -> Iterator[Problem]:
    """E048: one file under two entries would count twice, and be measured twice."""
    for section in ("judgements", "preferences", "texts"):
        entries: tuple[_Entry, ...] = getattr(stage, section)
        files = [_files(one) for one in entries]
        for number, some in enumerate(files):
            if some in files[:number]:
                what = f"the stage reads {some[0].name} twice"
                where = document.where(("stages", at, section, number))
                yield Problem("E048", where, what, "remove one; a file is read in one way")


def _files(one: _Entry) -> tuple[Path, ...]:
    """Wherever links lead; a corpus is a source with a reference, of which it may have several."""
    if not isinstance(one, TextsConfig):
        return (one.file.resolve(),)
    return tuple(file.resolve() for file in (one.source, one.reference) if file is not None)


def _stage_problems(
    config: TrainRewardConfig, at: int, stage: StageConfig, document: Document
) -> Iterator[Problem]:
    where = document.where(("stages", at))
    if stage.damaged:
        yield from _damaged_problems(stage, at, document)
        return
    if stage.texts:
        what = "texts are learned from damaged, and damaged is 0"
        yield Problem("E048", where, what, "damaged: 3")
    if not (stage.judgements or stage.preferences):
        what = "the stage has nothing to learn from"
        yield Problem("E048", where, what, "add judgements:, or texts: with damaged: 3")
    if stage.preferences and config.scorer.family != "generalist":
        what = f"a {config.scorer.family} learns from judgements, not from preferences"
        yield Problem("E048", where, what, "family: generalist, or remove preferences:")
    for number, judged in enumerate(stage.judgements if config.scorer.needs_reference else ()):
        if judged.reference_system is None:
            what = "the scorer reads references, and no system is named as one"
            keys: Keys = ("stages", at, "judgements", number)
            yield Problem("E042", document.where(keys), what, "reference_system: NAME")


def _damaged_problems(stage: StageConfig, at: int, document: Document) -> Iterator[Problem]:
    where = document.where(("stages", at))
    if not (stage.texts or stage.judgements):
        what = "damaged needs parallel text"
        yield Problem("E048", where, what, "add texts: with source: and reference:")
    if stage.preferences:
        what = "a stage with damaged learns from parallel text, and preferences are none"
        yield Problem("E048", where, what, "move preferences: to a stage of their own")
    for number, text in enumerate(stage.texts):
        if text.reference is None:
            keys: Keys = ("stages", at, "texts", number)
            what = "damaged needs references, and this corpus has none"
            yield Problem("E032", document.where(keys), what, "add reference:")
    for number, judged in enumerate(stage.judgements):
        if judged.reference_system is None:
            keys = ("stages", at, "judgements", number)
            what = "damaged reads references, and no system is named as one"
            yield Problem("E042", document.where(keys), what, "reference_system: NAME")


def family_of(config: TrainRewardConfig) -> Family:
    """The family that a configuration asks for; imports torch."""
    scorer = config.scorer
    if scorer.metricx is not None:
        from rewardlab.scorers.families.metricx import MetricXFamily

        return MetricXFamily(**scorer.metricx.model_dump())
    if scorer.automqm is not None:
        from rewardlab.scorers.families.automqm import AutoMQMFamily

        return AutoMQMFamily(**scorer.automqm.model_dump())
    from rewardlab.scorers.families.generalist import GeneralistFamily

    assert scorer.generalist is not None  # noqa: S101 - the schema wants one of the three
    return GeneralistFamily(**scorer.generalist.model_dump())


def stage_options(
    config: TrainRewardConfig, stage: StageConfig, directory: Path, **defaults: Any
) -> TrainingArguments:
    """The trainer's options of a stage; what the file says wins over ``defaults``.

    Without ``eval_steps`` a stage is measured, and saved, `EVALUATIONS` times.

    Raises:
        UserError: E037, TRL or transformers refuses the values, which it does when they meet.
    """
    options = family_of(config).options_class
    block = {**config.trainer, **stage.trainer}
    steps = effective(block, options).max_steps
    every = block.get("eval_steps", max(1, steps // EVALUATIONS) if steps > 0 else 1 / EVALUATIONS)
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    kept = {
        "eval_strategy": "steps",
        "save_strategy": "steps",
        "eval_steps": every,
        "save_steps": every,
        "save_total_limit": 2,
        "restore_callback_states_from_checkpoint": True,
        **({} if stage.patience is None else best),
    }
    return trl_config(
        options,
        block,
        run=directory,
        seed=config.seed,
        where=f"stage {stage.name}",
        **{**kept, **defaults},
    )
