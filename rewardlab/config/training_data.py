"""The training data of a ``train-reward`` run: the examples of each stage, and the split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rewardlab.config.free_texts import (
    FreeTexts,
    files_of,
    machine_notes,
    read_free_texts,
)
from rewardlab.config.severities import load_severities
from rewardlab.config.train_reward import JudgementsConfig, StageConfig, TrainRewardConfig
from rewardlab.data.rows import Row
from rewardlab.errors import EXIT_DATA, Problem, UserError, refuse
from rewardlab.human.formats import read_gold
from rewardlab.human.gold import Gold
from rewardlab.human.rated import Preference, Rated, TrainingExample
from rewardlab.metaeval.scoring import compared_systems
from rewardlab.rewards.generalist import request_of
from rewardlab.scorers.document_split import (
    DocumentSplit,
    Fold,
    by_opening,
    quoted,
    split_documents,
)
from rewardlab.scorers.examples import only_documents, rated, texts_of
from rewardlab.scorers.free_supervision import (
    FreeExamples,
    free_examples,
    with_shuffled_sources,
)
from rewardlab.scorers.preferences import read_preferences
from rewardlab.store.checkpoints import checkpoint_digest


@dataclass(frozen=True, eq=False)
class StageData:
    """The examples of one stage.

    Attributes:
        train: Examples to learn from.
        validation: Examples for the validation loss; none of their documents is trained on.
        notes: Notes on the translations of machines, to print.
    """

    train: Sequence[TrainingExample]
    validation: Sequence[TrainingExample]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Everything that a run reads.

    Attributes:
        stages: Data of the stages, in order.
        gold: The judgement files of the last stage, whole.
        free: The test side of a last stage without judgements, or None.
        preferences: The preferences of the last stage that are on the test side.
        split: Side of each document of the judgements and preferences.
        signature: Everything that the scorer depends on besides its configuration, with a line for
            each file, prompt and checkpoint.
        notes: Notes to print.
    """

    stages: tuple[StageData, ...]
    gold: tuple[Gold, ...]
    free: FreeExamples | None
    preferences: tuple[Preference, ...]
    split: DocumentSplit
    signature: str
    notes: tuple[str, ...]

    @property
    def test(self) -> tuple[Gold, ...]:
        """The test side of each judgement file that has one."""
        found = (only_documents(gold, self.split.test) for gold in self.gold)
        return tuple(gold for gold in found if gold is not None)


class _Files(NamedTuple):
    """The files of all stages, each read once."""

    gold: Mapping[JudgementsConfig, Gold]
    preferences: Mapping[Path, Sequence[Preference]]


def read_training_data(config: TrainRewardConfig) -> TrainingData:
    """Read and split everything.

    Raises:
        UserError: E0xx a severity table (exit code 2); E201..E229 files that cannot be read, E207
            a split that leaves nothing on a side, E253 judgements without the texts or marked
            errors that are learned from (3).
    """
    files = _Files(_read_judgements(config), _read_preferences(config))
    if not (files.gold or files.preferences):
        return _free_data(config)
    texts = _texts_by_document(files)
    split = _split(config, texts, test=config.split.test_side)
    aside = {text for document in split.test | split.validation for text in texts[document]}
    last = config.stages[-1]
    stages = tuple(
        _damaged_stage(config, stage, files, split, aside)
        if stage.damaged
        else _judged_stage(config, stage, files, split)
        for stage in config.stages
    )
    data = TrainingData(
        stages=stages,
        gold=tuple(files.gold[entry] for entry in last.judgements),
        free=None,
        preferences=tuple(
            pair
            for entry in last.preferences
            for pair in files.preferences[entry.file]
            if pair.document in split.test
        ),
        split=split,
        signature="\n".join(_signature(config, files.gold.values())),
        notes=(
            *_notes(files.gold.values(), split, texts),
            *(note for stage in stages for note in stage.notes),
        ),
    )
    _check(config, data)
    return data


def _free_data(config: TrainRewardConfig) -> TrainingData:
    """The data of a run without judgements, split by the documents of its parallel text.

    Raises:
        UserError: E201..E208, as `read_training_data`.
    """
    read = [read_free_texts(stage) for stage in config.stages]
    texts: dict[str, list[str]] = defaultdict(list)
    for row in (row for stage in read for row in stage.rows):
        texts[_document(row)] += _texts(row)
    split = _split(config, texts, test=config.split.test_side)

    sides = [
        tuple(
            _examples(config, stage, [r for r in found.rows if _document(r) in documents], found)
            for documents in (split.train, split.validation, split.test)
        )
        for stage, found in zip(config.stages, read, strict=True)
    ]
    stages = tuple(
        StageData(
            _trained(config, train.rated),
            _trained(config, validation.rated),
            machine_notes(stage, (train, validation, test)),
        )
        for stage, (train, validation, test) in zip(config.stages, sides, strict=True)
    )
    data = TrainingData(
        stages=stages,
        gold=(),
        free=sides[-1][-1],
        preferences=(),
        split=split,
        signature="\n".join(_signature(config, ())),
        notes=(*_notes((), split, texts), *(note for stage in stages for note in stage.notes)),
    )
    _check(config, data)
    return data


def _examples(
    config: TrainRewardConfig, stage: StageConfig, rows: Sequence[Row], found: FreeTexts
) -> FreeExamples:
    return free_examples(
        rows, found.machine, copies=stage.damaged, points=stage.points, seed=config.seed
    )


def _trained(
    config: TrainRewardConfig, side: Sequence[TrainingExample]
) -> Sequence[TrainingExample]:
    """One side as it is learned from: in a control, with the sources of other rows of the side."""
    rows = [one for one in side if isinstance(one, Rated)]
    return with_shuffled_sources(rows, seed=config.seed) if config.shuffle_sources else side


def _document(row: Row) -> str:
    return row.document or row.id


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def _read_judgements(config: TrainRewardConfig) -> dict[JudgementsConfig, Gold]:
    """Every file once, however many stages name it."""
    found: dict[JudgementsConfig, Gold] = {}
    names: dict[Path, str] = {}  # stages may read one file in two ways; its documents are the same
    for entry in (entry for stage in config.stages for entry in stage.judgements):
        if entry not in found:
            gold = _judgements(entry)
            name = names.setdefault(entry.file, _unused(gold.name, names.values()))
            found[entry] = replace(gold, name=name)
    return found


def _judgements(entry: JudgementsConfig) -> Gold:
    gold = read_gold(
        entry.file,
        format=entry.format,
        severities=load_severities(entry.severities, where="severities"),
        lower_is_better=entry.lower_is_better,
        source_lang=entry.source_lang,
        target_lang=entry.target_lang,
    )
    if not gold.hypotheses or gold.sources is None:
        fix = "give judgements with source and target, such as MQM"
        refuse(Problem("E253", str(entry.file), "holds no texts to learn from", fix))
    compared_systems(gold, reference_system=entry.reference_system, exclude_references=True)
    fix = "source_lang: and target_lang: beside file:"
    gold = gold.in_languages(entry.source_lang, entry.target_lang, where=str(entry.file), fix=fix)
    return replace(gold, reference_system=entry.reference_system)


def _unused(name: str, taken: Collection[str]) -> str:
    """The name, with a number if another file has the same name."""
    names = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _read_preferences(config: TrainRewardConfig) -> dict[Path, list[Preference]]:
    """Path -> preferences, each file once; a pair without a document uses its request as one."""
    files = {entry.file for stage in config.stages for entry in stage.preferences}
    return {
        path: [
            replace(pair, document=f"{path}:{pair.document or _short(request_of(pair.chosen))}")
            for pair in read_preferences(path)
        ]
        for path in sorted(files)
    }


def _short(request: str) -> str:
    """A name for a request, which may be pages long."""
    return f"sha256:{hashlib.sha256(request.encode()).hexdigest()[:12]}"


# ── split ───────────────────────────────────────────────────────────────────────────────────────


def _texts_by_document(files: _Files) -> dict[str, list[str]]:
    """Every text that must not be on two sides."""
    texts: dict[str, list[str]] = defaultdict(list)
    for document, text in (pair for gold in files.gold.values() for pair in texts_of(gold)):
        texts[document].append(text)
    known = by_opening(text for some in texts.values() for text in some)
    for pair in (pair for pairs in files.preferences.values() for pair in pairs):
        # Not the answers: one refusal may stand below any number of requests.
        request = request_of(pair.chosen)
        texts[pair.document] += [request, pair.chosen.source, *quoted(request, known)]
    return texts


def _split(
    config: TrainRewardConfig, texts: Mapping[str, Sequence[str]], *, test: float | Fold
) -> DocumentSplit:
    validation = config.split.validation
    try:
        return split_documents(texts, validation=validation, test=test, seed=config.seed)
    except ValueError as error:
        fix = "smaller shares, or data of more documents"
        raise UserError([Problem("E207", "split", str(error), fix)], EXIT_DATA) from error


# ── stages ──────────────────────────────────────────────────────────────────────────────────────


def _judged_stage(
    config: TrainRewardConfig, stage: StageConfig, files: _Files, split: DocumentSplit
) -> StageData:
    examples: list[TrainingExample] = [
        row
        for entry in stage.judgements
        for row in rated(files.gold[entry])
        if row.candidate.reference is not None or not config.scorer.needs_reference
    ]
    examples += [pair for entry in stage.preferences for pair in files.preferences[entry.file]]
    return StageData(
        _trained(config, [one for one in examples if one.document in split.train]),
        _trained(config, [one for one in examples if one.document in split.validation]),
    )


def _damaged_stage(
    config: TrainRewardConfig,
    stage: StageConfig,
    files: _Files,
    split: DocumentSplit,
    aside: set[str],
) -> StageData:
    """Parallel rows without a text that is set aside, whole and damaged."""
    own = [row for entry in stage.judgements for row in _parallel(files.gold[entry])]
    train = [row for row in own if row.document in split.train]
    validation = [row for row in own if row.document in split.validation]
    found = read_free_texts(stage)
    free = [row for row in found.rows if aside.isdisjoint(_texts(row))]
    if free:
        texts: dict[str, list[str]] = defaultdict(list)
        for row in free:
            texts[_document(row)] += _texts(row)
        drawn = _split(config, texts, test=0.0)
        train += [row for row in free if _document(row) in drawn.train]
        validation += [row for row in free if _document(row) in drawn.validation]
    sides = [_examples(config, stage, rows, found) for rows in (train, validation)]
    learned, validated = (_trained(config, side.rated) for side in sides)
    return StageData(learned, validated, machine_notes(stage, sides))


def _parallel(gold: Gold) -> Collection[Row]:
    """Sources with their references, once each."""
    found: dict[str, Row] = {}
    for row in rated(gold):
        one = row.candidate
        if one.reference and one.id not in found:
            languages = (one.source_lang or "", one.target_lang or "")
            row_id = f"{gold.name}:{one.id}"
            found[one.id] = Row(row_id, one.source, one.reference, *languages, row.document)
    return found.values()


def _texts(row: Row) -> list[str]:
    return [row.source] if row.reference is None else [row.source, row.reference]


# ── signature, notes, checks ────────────────────────────────────────────────────────────────────


def _signature(config: TrainRewardConfig, judged: Iterable[Gold]) -> Iterator[str]:
    """A line for each file, prompt and checkpoint that the trained scorer depends on."""
    tokenizer = config.scorer.metricx and config.scorer.metricx.tokenizer
    for name, directory in (("model", config.model.path), ("tokenizer", tokenizer)):
        if directory is not None and directory.is_dir():
            yield f"{name}|digest:{checkpoint_digest(directory)}"
    for gold in judged:
        yield f"{gold.name}|{gold.scores.signature}"
    files = {entry.file for stage in config.stages for entry in stage.preferences}
    files |= {path for stage in config.stages for path in files_of(stage)}
    prompt = Path(config.scorer.automqm.prompt) if config.scorer.automqm is not None else Path()
    files |= {prompt} if prompt.is_file() else set()
    for path in sorted(files):
        with path.open("rb") as file:
            yield f"{path.name}|sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"


def _notes(
    judged: Iterable[Gold], split: DocumentSplit, texts: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    for gold in judged:
        yield f"{gold.name}: {gold.funnel}"
        yield from (f"note: {note}" for note in gold.notes)
    whole = sum(map(len, texts.values()))
    for side in ("train", "validation", "test"):
        documents: frozenset[str] = getattr(split, side)
        share = sum(len(texts[document]) for document in documents) / whole
        yield f"{side}: {len(documents):,} documents, {share:.1%} of the texts"
    if split.linked:
        yield f"{len(split.linked):,} sets of documents share texts and stay together"


def _check(config: TrainRewardConfig, data: TrainingData) -> None:
    """Refuse problems that would otherwise appear only after training.

    Raises:
        UserError: E207 a side without rows, E253 judgements without marked errors; exit code 3.
    """
    problems: list[Problem] = []
    for stage, examples in zip(config.stages, data.stages, strict=True):
        for side in ("train", "validation"):
            if not getattr(examples, side):
                what = f"the {side} side of the stage has no rows"
                fix = "other shares in split:, or data of more documents"
                problems.append(Problem("E207", f"stage {stage.name}", what, fix))
    if not (data.test or data.preferences or (data.free and data.free.pairs)):
        what, fix = "no document of the last stage is on the test side", "a larger share test:"
        problems.append(Problem("E207", "split", what, fix))
    for gold in data.gold if config.scorer.automqm is not None else ():
        if not gold.spans:
            what = "holds scores, and a judge that lists errors learns from marked ones"
            problems.append(Problem("E253", gold.name, what, "give MQM"))
    if problems:
        raise UserError(problems, EXIT_DATA)
