"""The configuration of ``rewardlab train-reward``.

A new family of scorers is a dataclass in `rewardlab.scorers.families`, whose fields are its
options, and a field of `ScorerConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rewardlab.config import checks, trainer_block
from rewardlab.config.sections import (
    FieldsOf,
    FileName,
    FileNames,
    Language,
    Options,
    Positive,
    Section,
    Seed,
    Several,
    ShapeConfig,
    Text,
    TextsConfig,
    one_of_names,
    out_of_range,
)
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.errors import Problem
from rewardlab.human.formats import AUTO, format_names
from rewardlab.scorers.document_split import Fold

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from rewardlab.scorers.families.protocol import Family

REWARD_OWNED: Mapping[str, str] = {
    **trainer_block.SUPERVISED_OWNED,
    "packing": "the loss is on the answer only; remove it",
    "resume_from_checkpoint": "run the same command again; it resumes from its run directory",
    **dict.fromkeys(
        ("save_only_model", "ignore_data_skip", "enable_jit_checkpoint", "save_steps"),
        "a run that was stopped must resume as if it had not been; remove it",
    ),
    **dict.fromkeys(
        ("train_sampling_strategy", "group_by_length", "length_column_name"),
        "rows of like length share a batch, in an order that a resumed run repeats; remove it",
    ),
}
"""Options of the trainers that may not be set, and what to do instead."""
_FAMILIES = "rewardlab.scorers.families"
TEST = 0.2
"""Share of the test side if the configuration does not set it."""


class ScorerConfig(Section):
    """The family that is trained, with its options: the fields of the family's dataclass.

    Attributes:
        metricx: A regressor.
        automqm: A judge that lists errors.
        xcomet: A regressor that labels errors.
        generalist: A Bradley-Terry reward model.
    """

    one_of = ("metricx", "automqm", "xcomet", "generalist")

    metricx: Annotated[Any, FieldsOf(f"{_FAMILIES}.metricx:MetricXFamily")] = None
    automqm: Annotated[Any, FieldsOf(f"{_FAMILIES}.automqm:AutoMQMFamily")] = None
    xcomet: Annotated[Any, FieldsOf(f"{_FAMILIES}.xcomet:XCometFamily")] = None
    generalist: Annotated[Any, FieldsOf(f"{_FAMILIES}.generalist:GeneralistFamily")] = None

    @property
    def family(self) -> str:
        """The name of the family."""
        return next(name for name in self.one_of if getattr(self, name) is not None)

    @property
    def needs_reference(self) -> bool:
        """Whether the family reads references."""
        if self.metricx is not None:
            return self.metricx.mode != "qe"
        if self.xcomet is not None:
            return self.xcomet.mode != "qe"
        return self.automqm is not None and self.automqm.reference

    @property
    def smallest_margin(self) -> float:
        """The smallest score difference of two translations that counts as a preference."""
        return 0.0 if self.generalist is None else self.generalist.smallest_margin


class ScorerModelConfig(Section):
    """The model that training starts from; exactly one of ``path`` and ``from_scratch``.

    Attributes:
        path: A checkpoint of the family, published or trained with this library.
        from_scratch: A small model with random weights, and a tokenizer trained on the run's texts.
    """

    one_of = ("path", "from_scratch")

    path: FileName | None = None
    from_scratch: ShapeConfig | None = None


# ── data ────────────────────────────────────────────────────────────────────────────────────────


class JudgementsConfig(Section):
    """Translations with human judgements.

    Attributes:
        file: MQM, or scores of whole translations: any file that ``rewardlab metaeval`` reads.
        format: Format of the file; ``auto`` detects it.
        source_lang: Source language, in place of the one that the file names.
        target_lang: Target language, in place of the one that the file names.
        reference_system: The system whose texts are the references.
        severities: The weights of marked errors: a table's name or file.
        lower_is_better: True if the numbers in the file are errors.
    """

    file: FileName
    format: Annotated[Text, one_of_names(format_names)] = AUTO
    source_lang: Language | None = None
    target_lang: Language | None = None
    reference_system: Text | None = None
    severities: Text = "wmt"
    lower_is_better: bool = False


class PreferencesConfig(Section):
    """Pairs of answers, one better than the other.

    Attributes:
        file: JSONL in TRL's preference format.
    """

    file: FileName


class FoldConfig(Section):
    """One part of a cross-validation; every document is on the test side of exactly one.

    Attributes:
        number: Number of the part, from 1.
        of: Total number of parts.
    """

    number: Positive
    of: Annotated[int, Field(ge=2)]

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.number > self.of:
            raise out_of_range("number", self.number, "write one from 1 to `of`")
        return self


class SplitConfig(Section):
    """Whole documents that are set aside; documents that share a text stay together.

    Attributes:
        validation: The share for the validation loss.
        test: The share on which the scorer is measured and which affects no decision; `TEST` if
            there is no ``fold``.
        fold: The part of the documents that is the test side, in place of a share.
    """

    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] | None = None
    fold: FoldConfig | None = None

    @property
    def test_side(self) -> float | Fold:
        """The test side, as `rewardlab.scorers.document_split.split_documents` takes it."""
        if self.fold is not None:
            return Fold(self.fold.number, self.fold.of)
        return TEST if self.test is None else self.test

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.fold is not None and self.test is not None:
            raise PydanticCustomError("exactly_one", "takes test or fold, not both")
        side = self.test_side
        if self.validation + (1 / side.of if isinstance(side, Fold) else side) >= 1:
            key = "validation" if self.test is None else "test"
            fix = "write shares that leave something to train on"
            raise out_of_range(key, getattr(self, key), fix)
        return self


# ── the run ─────────────────────────────────────────────────────────────────────────────────────


def _directory_name(name: str) -> str:
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", name):
        raise ValueError("write lower-case letters, digits and hyphens")
    return name


class FreeTextsConfig(TextsConfig):
    """A parallel corpus with machine translations of its sources.

    Attributes:
        machine: Machine translations of the sources, named after their systems: text files line by
            line, ``.jsonl`` files, or directories of translate runs. Empty ones are left out.
    """

    machine: FileNames = ()

    @property
    def systems(self) -> list[tuple[str, Path]]:
        """The name of each machine, and its file."""
        return [
            (path.name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem, path)
            for path in self.machine
        ]


class StageConfig(Section):
    """One training; the next stage starts from its model.

    A stage learns from the human scores of ``judgements`` and from ``preferences``. With
    ``damaged`` it learns from parallel text instead: every reference unchanged, and damaged
    versions of it. The parallel text is then the corpora in ``texts``, and the sources and
    references of ``judgements``.

    Attributes:
        name: Name of its directory.
        judgements: One mapping or a list.
        preferences: For the generalist; one mapping or a list.
        texts: Parallel corpora for ``damaged``; one mapping or a list.
        damaged: Number of damaged versions of each reference; 0 learns from human judgements.
        points: MQM points of an error in single words of a damaged text.
        patience: Number of evaluations without improvement before training stops and the model with
            the best validation loss is kept; null trains to the end and keeps the last model.
        trainer: Options of this stage; they override those of the file.
    """

    name: Annotated[Text, AfterValidator(_directory_name)]
    judgements: Several[JudgementsConfig] = ()
    preferences: Several[PreferencesConfig] = ()
    texts: Several[FreeTextsConfig] = ()
    damaged: Annotated[int, Field(ge=0)] = 0
    points: Annotated[float, Field(gt=0, le=25)] = 1.0
    patience: Positive | None = None
    trainer: Options = Field(default_factory=dict[str, Any])


class TrainRewardConfig(Section):
    """A run that trains a scorer.

    Attributes:
        run: The directory that the run writes; the same configuration resumes it.
        seed: Seed of all random numbers.
        scorer: The family and its options.
        model: What training starts from.
        split: The documents that are set aside.
        shuffle_sources: A control: train with the source of another row. Tests have their own
            sources.
        stages: Stages in order; the scorer is measured on the test documents of the last.
        trainer: Options of every stage, by the names of transformers and TRL.
        resamples: Number of resamples of the test segments, for intervals.
    """

    run: FileName
    seed: Seed = 0
    scorer: ScorerConfig
    model: ScorerModelConfig
    split: SplitConfig = SplitConfig()
    shuffle_sources: bool = False
    stages: Annotated[Several[StageConfig], Field(min_length=1)]
    trainer: Options = Field(default_factory=dict[str, Any])
    resamples: Positive = 1000


def family_of(config: TrainRewardConfig) -> Family:
    """The configured family; imports torch."""
    name = config.scorer.family
    (options,) = ScorerConfig.model_fields[name].metadata
    return options.dataclass(**dict(getattr(config.scorer, name)))


def stage_options(
    config: TrainRewardConfig,
    stage: StageConfig,
    directory: Path,
    document: Document = checks.NOWHERE,
    **defaults: Any,
) -> TrainingArguments:
    """The trainer's options for a stage.

    Args:
        config: The run. Its ``trainer`` section overrides ``defaults``; the stage's overrides both.
        stage: The stage.
        directory: The directory for checkpoints and metrics.
        document: The file of the run.
        **defaults: Default options of TRL or transformers.

    Raises:
        UserError: As `rewardlab.config.trainer_block.trl_config`; exit code 2.
    """
    block = {**config.trainer, **stage.trainer}
    every = block.get("eval_steps", trainer_block.evaluation_steps(block.get("max_steps", -1)))
    own: Options = {
        "eval_strategy": "steps",
        "save_strategy": "steps",
        "eval_steps": every,
        "save_steps": every,
        "save_total_limit": 2,
        "restore_callback_states_from_checkpoint": True,
    }
    if stage.patience is not None:
        own |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    own |= defaults
    at: Keys = ("stages", config.stages.index(stage), "trainer") if stage.trainer else ("trainer",)
    return trainer_block.trl_config(
        family_of(config).options_class,
        block,
        directory,
        config.seed,
        document=document,
        at=at,
        **own,
    )


# ── checks ──────────────────────────────────────────────────────────────────────────────────────


def check_train_reward(
    config: TrainRewardConfig, document: Document = checks.NOWHERE
) -> Iterator[Problem]:
    """Problems between the parts of a configuration that fits its schema; imports torch.

    Args:
        config: The configuration.
        document: Its file.

    Yields:
        E023, E025, E026, E028, E032, E033, E036, E042, E048.
    """
    yield from checks.checkpoint_problems(config.model.path, ("model", "path"), document)
    names = [stage.name for stage in config.stages]
    for at, stage in enumerate(config.stages):
        keys: Keys = ("stages", at)
        if stage.name in names[:at]:
            what = f"two stages are named {stage.name}"
            yield document.problem("E036", (*keys, "name"), what, "rename one")
        yield from _stage_problems(stage, config.scorer, keys, document)
        yield from _read_twice(stage, keys, document)
    yield from _order_problems(config, document)
    metricx = config.scorer.metricx
    if metricx is not None and (metricx.mode, metricx.version) == ("hybrid", "23"):
        what = "only version 24 reads sources and references with one model"
        keys = ("scorer", "metricx", "mode")
        yield document.problem("E048", keys, what, "mode: qe, or reference")
        return  # such a family cannot be constructed
    options = family_of(config).options_class
    check = partial(trainer_block.option_problems, document=document, owned=REWARD_OWNED)
    for at, stage in enumerate(config.stages):
        yield from check(stage.trainer, options, at=("stages", at, "trainer"))
    yield from check(config.trainer, options)


def _texts_problems(stage: StageConfig, keys: Keys, document: Document) -> Iterator[Problem]:
    """E032: a corpus without references; E036: a machine whose name is taken."""
    from rewardlab.scorers.free_supervision import DAMAGED, HUMAN

    for at, texts in enumerate(stage.texts if stage.damaged else ()):
        if texts.reference is None:
            what = "damaged needs references, and this corpus has none"
            yield document.problem("E032", (*keys, "texts", at), what, "add reference:")
        names = [name for name, _ in texts.systems]
        if taken := [one for n, one in enumerate(names) if one in (HUMAN, DAMAGED, *names[:n])]:
            what = f"other translations are already named {taken[0]}"
            fix = "rename the file after its machine"
            yield document.problem("E036", (*keys, "texts", at, "machine"), what, fix)


def _order_problems(config: TrainRewardConfig, document: Document) -> Iterator[Problem]:
    """E048: a last stage without judgements in a run that has some, or control without texts."""
    judged = any(stage.judgements or stage.preferences for stage in config.stages)
    if judged and config.stages[-1].damaged:
        what = "the last stage learns from damaged texts, but is measured on human judgements"
        keys: Keys = ("stages", len(config.stages) - 1, "damaged")
        yield document.problem("E048", keys, what, "add a stage with judgements: after it")
    free = config.stages[-1].damaged and not judged
    if free and config.scorer.family not in ("metricx", "xcomet"):
        what = f"a {config.scorer.family} is measured on human judgements"
        yield document.problem("E048", ("stages",), what, "add a stage with judgements:")
    if free and config.split.fold is not None:
        what = "cross-validation needs human judgements"
        yield document.problem("E048", ("split", "fold"), what, "test: 0.2")
    if config.shuffle_sources and any(stage.preferences for stage in config.stages):
        what = "the sources of preferences cannot be exchanged"
        yield document.problem("E048", ("shuffle_sources",), what, "remove preferences:")


def _stage_problems(
    stage: StageConfig, scorer: ScorerConfig, keys: Keys, document: Document
) -> Iterator[Problem]:
    if stage.damaged and not (stage.texts or stage.judgements):
        what = "damaged needs parallel text"
        yield document.problem("E048", keys, what, "add texts: with source: and reference:")
    if stage.damaged and stage.preferences:
        what = "a stage with damaged learns from parallel text; preferences are not allowed here"
        yield document.problem("E048", keys, what, "move preferences: to a stage of their own")
    if stage.texts and not stage.damaged:
        what = "texts are only used with damaged, which is 0"
        yield document.problem("E048", keys, what, "damaged: 3")
    if not (stage.judgements or stage.preferences or stage.damaged):
        what = "the stage has nothing to learn from"
        yield document.problem("E048", keys, what, "add judgements:, or texts: with damaged: 3")
    if stage.preferences and not stage.damaged and scorer.family != "generalist":
        what = f"a {scorer.family} learns from judgements, not from preferences"
        yield document.problem("E048", keys, what, "family: generalist, or remove preferences:")
    yield from _texts_problems(stage, keys, document)
    reader = "damaged" if stage.damaged else "the scorer"
    for at, judged in enumerate(stage.judgements):
        if judged.reference_system is None and (stage.damaged or scorer.needs_reference):
            what = f"{reader} reads references, and no system is named as one"
            fix = "reference_system: NAME"
            yield document.problem("E042", (*keys, "judgements", at), what, fix)


def _read_twice(stage: StageConfig, keys: Keys, document: Document) -> Iterator[Problem]:
    """E048: a file in two entries would be trained on twice, and measured twice."""
    for section in ("judgements", "preferences", "texts"):
        files = [_files(entry) for entry in getattr(stage, section)]
        for at, some in enumerate(files):
            if some in files[:at]:
                what = f"the stage reads {some[0].name} twice"
                fix = "remove one; a file is read in one way"
                yield document.problem("E048", (*keys, section, at), what, fix)


def _files(entry: object) -> list[Path]:
    """The files of an entry, links resolved; a source may have several references."""
    paths = [getattr(entry, key, None) for key in ("file", "source", "reference")]
    return [path.resolve() for path in paths if path is not None]
