"""What the stages of a ``train-reward`` run learn from, and what is set aside."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from rewardlab.config.rows import read_corpora
from rewardlab.config.sections import TextsConfig
from rewardlab.config.severities import load_severities
from rewardlab.config.train_reward import JudgementsConfig, StageConfig, TrainRewardConfig
from rewardlab.data.corpora import Row
from rewardlab.errors import EXIT_DATA, Problem, UserError
from rewardlab.human.gold import read_gold
from rewardlab.human.rated import Preference, Rated
from rewardlab.metaeval.scoring import compared_systems
from rewardlab.perturbations.failures import damaged
from rewardlab.rewards.generalist import request_of
from rewardlab.scorers.document_split import (
    DocumentSplit,
    by_opening,
    quoted,
    split_documents,
)
from rewardlab.scorers.judgements import Judgements
from rewardlab.scorers.preferences import read_preferences
from rewardlab.store.checkpoints import checkpoint_digest

Lesson: TypeAlias = Rated | Preference


@dataclass(frozen=True, eq=False)
class StageLessons:
    """One stage's rows.

    Attributes:
        train: To learn from.
        validation: That give the validation loss; none of their documents is trained on.
    """

    train: tuple[Lesson, ...]
    validation: tuple[Lesson, ...]


@dataclass(frozen=True, eq=False)
class Lessons:
    """All that a run reads.

    Attributes:
        stages: In order.
        judgements: Files of the last stage, whole.
        preferences: Of the last stage, those of the test side.
        split: Documents of judgements and preferences by side.
        signature: What the scorer depends on besides its configuration, a line for each file,
            prompt and checkpoint.
        notes: What there is to tell.
    """

    stages: tuple[StageLessons, ...]
    judgements: tuple[Judgements, ...]
    preferences: tuple[Preference, ...]
    split: DocumentSplit
    signature: str
    notes: tuple[str, ...]

    @property
    def test(self) -> tuple[Judgements, ...]:
        """The test side of the judgements, of the files that have any."""
        found = (judged.only(self.split.test) for judged in self.judgements)
        return tuple(judged for judged in found if judged is not None)


def read_lessons(config: TrainRewardConfig) -> Lessons:
    """Read and split everything.

    Raises:
        UserError: E0xx a severity table (exit code 2); E201..E229 files that cannot be read, E207
            a split that leaves nothing on a side, E253 judgements that lack what is learned from
            (3).
    """
    judged = _read_judgements(config)
    preferences = _read_preferences(config)
    texts: dict[str, list[str]] = defaultdict(list)
    for one in judged.values():
        for document, text in one.texts():
            texts[document].append(text)
    known = by_opening(text for some in texts.values() for text in some)
    for pair in (pair for pairs in preferences.values() for pair in pairs):
        # Not the answers: one refusal may stand below any number of requests.
        request = request_of(pair.chosen)
        texts[pair.document] += [request, pair.chosen.source, *quoted(request, known)]
    split = _split(config, texts)
    aside = {text for document in split.test | split.validation for text in texts[document]}
    stages = tuple(
        _damaged_stage(config, stage, judged, split, aside)
        if stage.damaged
        else _judged_stage(
            stage, judged, preferences, split, needs_reference=config.scorer.needs_reference
        )
        for stage in config.stages
    )
    last = config.stages[-1]
    lessons = Lessons(
        stages=stages,
        judgements=tuple(judged[one] for one in last.judgements),
        preferences=tuple(
            pair
            for one in last.preferences
            for pair in preferences[one.file]
            if pair.document in split.test
        ),
        split=split,
        signature="\n".join(_signature(config, judged)),
        notes=tuple(_notes(judged.values(), split, texts)),
    )
    _check(config, lessons)
    return lessons


def _read_judgements(config: TrainRewardConfig) -> dict[JudgementsConfig, Judgements]:
    """Every file once, however many stages name it."""
    found: dict[JudgementsConfig, Judgements] = {}
    names: dict[Path, str] = {}  # stages may read one file in two ways; its documents are the same
    for one in (one for stage in config.stages for one in stage.judgements):
        if one not in found:
            name = names.setdefault(one.file, _name(one.file, names.values()))
            found[one] = _judgements(one, name)
    return found


def _read_preferences(config: TrainRewardConfig) -> dict[Path, list[Preference]]:
    """Every file once, by its path; of pairs without a document, one request is one."""
    files = {one.file for stage in config.stages for one in stage.preferences}
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


def _judgements(one: JudgementsConfig, name: str) -> Judgements:
    gold = read_gold(
        one.file,
        format=one.format,
        severities=load_severities(one.severities, where="severities"),
        lower_is_better=one.lower_is_better,
    )
    if not gold.hypotheses or gold.sources is None:
        what = "holds no texts to learn from"
        fix = "give judgements with source and target, such as MQM"
        raise UserError([Problem("E253", str(one.file), what, fix)], EXIT_DATA)
    compared_systems(gold, reference_system=one.reference_system, exclude_references=True)
    return Judgements(name, gold, one.source_lang, one.target_lang, one.reference_system)


def _name(path: Path, taken: Collection[str]) -> str:
    """The file's name without its ends, with a number where another file has it."""
    stem = path.name.split(".")[0]
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _split(
    config: TrainRewardConfig, texts: dict[str, list[str]], *, test: float | None = None
) -> DocumentSplit:
    shares = config.split
    side = shares.test_side if test is None else test
    try:
        return split_documents(texts, validation=shares.validation, test=side, seed=config.seed)
    except ValueError as error:
        fix = "smaller shares, or data of more documents"
        raise UserError([Problem("E207", "split", str(error), fix)], EXIT_DATA) from error


# ── stages ──────────────────────────────────────────────────────────────────────────────────────


def _judged_stage(
    stage: StageConfig,
    judged: dict[JudgementsConfig, Judgements],
    preferences: dict[Path, list[Preference]],
    split: DocumentSplit,
    *,
    needs_reference: bool,
) -> StageLessons:
    rows: list[Lesson] = [
        row
        for one in stage.judgements
        for row in judged[one].rated()
        if row.candidate.reference is not None or not needs_reference
    ]
    rows += [pair for one in stage.preferences for pair in preferences[one.file]]
    return StageLessons(
        tuple(row for row in rows if row.document in split.train),
        tuple(row for row in rows if row.document in split.validation),
    )


def _damaged_stage(
    config: TrainRewardConfig,
    stage: StageConfig,
    judged: dict[JudgementsConfig, Judgements],
    split: DocumentSplit,
    aside: set[str],
) -> StageLessons:
    """Parallel rows, none of whose texts is set aside, whole and damaged."""
    own = [row for one in stage.judgements for row in _parallel(judged[one])]
    train = [row for row in own if row.document in split.train]
    validation = [row for row in own if row.document in split.validation]
    free = [row for row in _corpus_rows(stage.texts) if aside.isdisjoint(_sides(row))]
    if free:
        texts: dict[str, list[str]] = defaultdict(list)
        for row in free:
            texts[row.document or row.id] += _sides(row)
        drawn = _split(config, texts, test=0.0)
        train += [row for row in free if (row.document or row.id) in drawn.train]
        validation += [row for row in free if (row.document or row.id) in drawn.validation]
    made = (damaged(rows, copies=stage.damaged, seed=config.seed) for rows in (train, validation))
    return StageLessons(*(tuple(rows) for rows in made))


def _corpus_rows(texts: Sequence[TextsConfig]) -> list[Row]:
    return [row for corpus in (read_corpora(texts) if texts else ()) for row in corpus.rows]


def _parallel(judged: Judgements) -> Iterator[Row]:
    """Sources with their references, once each."""
    seen: set[tuple[str, str]] = set()
    for row in judged.rated():
        one = row.candidate
        key = (row.document, one.id)
        if one.reference and key not in seen:
            seen.add(key)
            languages = (one.source_lang or "", one.target_lang or "")
            row_id = f"{judged.name}:{one.id}"
            yield Row(row_id, one.source, one.reference, *languages, row.document)


def _sides(row: Row) -> tuple[str, ...]:
    return (row.source,) if row.reference is None else (row.source, row.reference)


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def _signature(
    config: TrainRewardConfig, judged: dict[JudgementsConfig, Judgements]
) -> Iterator[str]:
    """A line for each file, prompt and checkpoint: what would make another scorer."""
    directories = {"model": config.model.path}
    directories |= {"tokenizer": config.scorer.metricx and config.scorer.metricx.tokenizer}
    for name, directory in directories.items():
        if directory is not None and directory.is_dir():
            yield f"{name}|digest:{checkpoint_digest(directory)}"
    for one in judged.values():
        yield f"{one.name}|{one.gold.scores.signature}"
    files = {one.file for stage in config.stages for one in stage.preferences}
    for text in (text for stage in config.stages for text in stage.texts):
        files |= {text.source, *filter(None, (text.reference, text.documents))}
    prompt = Path(config.scorer.automqm.prompt) if config.scorer.automqm is not None else Path()
    files |= {prompt} if prompt.is_file() else set()
    for path in sorted(files):
        with path.open("rb") as file:
            yield f"{path.name}|sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"


def _notes(
    judged: Iterable[Judgements], split: DocumentSplit, texts: dict[str, list[str]]
) -> Iterator[str]:
    for one in judged:
        yield f"{one.name}: {one.gold.funnel}"
    whole = sum(map(len, texts.values()))
    for side in ("train", "validation", "test"):
        documents: frozenset[str] = getattr(split, side)
        share = sum(len(texts[document]) for document in documents) / whole
        yield f"{side}: {len(documents):,} documents, {share:.1%} of the texts"
    if split.linked:
        yield f"{len(split.linked):,} sets of documents share texts and stay together"


def _check(config: TrainRewardConfig, lessons: Lessons) -> None:
    """Refuse what would be found out only after the training.

    Raises:
        UserError: E207 a side without rows, E253 judgements without marked errors; exit code 3.
    """
    problems: list[Problem] = []
    for stage, rows in zip(config.stages, lessons.stages, strict=True):
        for side in ("train", "validation"):
            if not getattr(rows, side):
                what = f"the {side} side of the stage has no rows"
                fix = "other shares in split:, or data of more documents"
                problems.append(Problem("E207", f"stage {stage.name}", what, fix))
    if not (lessons.test or lessons.preferences):
        what, fix = "no document of the last stage is on the test side", "a larger share test:"
        problems.append(Problem("E207", "split", what, fix))
    for one in lessons.judgements if config.scorer.automqm is not None else ():
        if not one.gold.spans:
            what = "holds scores, and a judge that lists errors learns from marked ones"
            problems.append(Problem("E253", one.name, what, "give MQM"))
    if problems:
        raise UserError(problems, EXIT_DATA)
