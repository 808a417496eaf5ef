"""Honest translations that a preflight attacks: those of real systems, never the reference.

Attacking the reference and scoring the result against the same reference would make every reward
look safe: any change to the text lowers the overlap from its maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.errors import Problem, kind_of, quantity, refuse
from rewardlab.human.gold import Gold
from rewardlab.human.score_matrix import Floats, ScoreMatrix
from rewardlab.metaeval.scoring import candidates, compared_systems
from rewardlab.perturbations.attacks import Case, cases
from rewardlab.text.languages import language_problems
from rewardlab.types import Candidate

MOSTLY = 0.5
"""A system is the reference itself if more than this share of its texts equal the reference."""


@dataclass(frozen=True, eq=False)
class Honest:
    """Honest translations and their human scores.

    Attributes:
        cases: N translations, each with the material that an attack may use.
        cells: Row and column of each case in ``gold``.
        gold: Human scores (S, M) of the systems, higher is better; all NaN without human scores.
        left_out: Number of texts that are not attacked: empty, with an empty source or reference,
            or without another text to attack with.
        equal: Number of cases whose text equals the reference.
    """

    cases: tuple[Case, ...]
    cells: tuple[tuple[int, int], ...]
    gold: ScoreMatrix
    left_out: int
    equal: int

    def matrix(self, values: Floats) -> Floats:
        """Scores of the cases (N,) as a matrix (S, M), NaN in other cells."""
        scores = np.full(self.gold.values.shape, np.nan)
        for cell, value in zip(self.cells, values, strict=True):
            scores[cell] = value
        return scores


def honest_of_gold(
    gold: Gold,
    *,
    reference_system: str | None,
    exclude: Iterable[str] = (),
    source_lang: str | None = None,
    target_lang: str | None = None,
) -> Honest:
    """The human-judged translations of systems.

    Args:
        gold: Human scores with texts and sources.
        reference_system: System whose texts are the references, or None for no references. Systems
            with the name of a reference are left out in both cases.
        exclude: More systems to leave out.
        source_lang: Overrides the source language that the gold file names.
        target_lang: Overrides the target language that the gold file names.

    Raises:
        UserError: E240 nothing to attack, E241 the texts are the references, E242 no texts or no
            sources, E250 an unknown system, E251 fewer than two systems are left; exit code 3.
    """
    check_texts_to_attack(gold)
    systems = compared_systems(
        gold, reference_system=reference_system, exclude=exclude, exclude_references=True
    )
    texts = candidates(
        gold,
        systems=systems,
        reference_system=reference_system,
        source_lang=source_lang,
        target_lang=target_lang,
    )
    return _honest(texts, gold.scores.only(systems), "--gold")


def check_texts_to_attack(gold: Gold) -> None:
    """Refuse judgements without the texts that are attacked.

    Raises:
        UserError: E242, no texts or no sources; exit code 3.
    """
    if not gold.hypotheses or gold.sources is None:
        lacking = "sources" if gold.hypotheses else "texts"
        what = f"holds human scores and no {lacking}, so there is nothing to attack"
        fix = "give ratings with texts (MQM), or -s FILE -t FILE in place of --gold"
        refuse(Problem("E242", "--gold", what, fix))


def honest_of_texts(
    sources: Sequence[str],
    translations: Mapping[str, Sequence[str]],
    references: Sequence[str] | None,
    *,
    source_lang: str,
    target_lang: str,
) -> Honest:
    """Line-aligned translations without human scores.

    Args:
        sources: M texts.
        translations: System -> M texts.
        references: M texts, or None.
        source_lang: Language code.
        target_lang: Language code.

    Raises:
        UserError: E025 ``translations`` is no mapping; E204 lists of different lengths; E260 an
            unknown language; E240 nothing to attack, E241 the texts are the references.
    """
    if not isinstance(translations, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        what = f"{kind_of(translations)} is not a mapping"
        refuse(Problem("E025", "translations", what, "translations={'my system': texts}"))
    texts_by_name = {**translations, **({} if references is None else {"references": references})}
    problems = (
        [
            Problem("E204", name, f"{len(texts)} texts for {len(sources)} sources", "one for each")
            for name, texts in texts_by_name.items()
            if len(texts) != len(sources)
        ]
        + [*language_problems("source_lang", [source_lang])]
        + [*language_problems("target_lang", [target_lang])]
    )
    if problems:
        refuse(*problems)
    segments = tuple(str(number) for number in range(1, len(sources) + 1))
    texts_by_cell = {
        (system, segment): Candidate(
            source=sources[at],
            hypothesis=texts[at],
            reference=None if references is None else references[at],
            source_lang=source_lang,
            target_lang=target_lang,
            id=segment,
        )
        for system, texts in translations.items()
        for at, segment in enumerate(segments)
    }
    nobody = np.full((len(translations), len(segments)), np.nan)
    shape = ScoreMatrix(tuple(translations), segments, nobody, "no human scores")
    return _honest(texts_by_cell, shape, "-t")


def _honest(texts: Mapping[tuple[str, str], Candidate], gold: ScoreMatrix, where: str) -> Honest:
    """Make cases of translations, given by system and segment."""
    columns = {segment: at for at, segment in enumerate(gold.segments)}
    made: list[Case] = []
    cells: list[tuple[int, int]] = []
    equal = 0
    problems: list[Problem] = []
    for row, system in enumerate(gold.systems):
        whole = [one for (name, _), one in texts.items() if name == system and _is_whole(one)]
        usable = cases(whole)
        same = sum(case.honest.hypothesis == case.honest.reference for case in usable)
        if same > MOSTLY * len(usable):
            what = f"{same:,} of {len(usable):,} translations by {system} are the reference itself"
            fix = "give what a system wrote, and another text as the reference"
            problems.append(Problem("E241", where, what, fix))
        made += usable
        cells += [(row, columns[case.honest.id]) for case in usable]
        equal += same
    if not made:
        what = f"none of {quantity(len(texts), 'translation')} can be attacked"
        fix = "give translations of two source texts, not empty and not the same"
        problems.append(Problem("E240", where, what, fix))
    if problems:
        refuse(*problems)
    return Honest(tuple(made), tuple(cells), gold, len(texts) - len(made), equal)


def _is_whole(one: Candidate) -> bool:
    """Whether none of the candidate's texts is empty; the reference may be missing."""
    texts = (one.source, one.hypothesis, one.reference)
    return all(text is None or text.strip() for text in texts)
