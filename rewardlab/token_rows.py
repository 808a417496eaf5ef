"""From texts to token advantages in one call, for people: what a trainer would compute, shown.

The steps are the trainer's own: decode -> score -> align -> combine, on one process. For the same
ids the advantages are equal to those of `rewardlab.trainers.grpo.GRPOTrainer`.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.cells import cell_len
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rewardlab import composing
from rewardlab.advantages import CREDIT, combination, group_problems, reward_rows
from rewardlab.align import AlignedSpans, Decoded, align
from rewardlab.candidates import Candidate, as_candidates
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import EXIT_DATA, Problem, UserError, kind_of, one_line, shown
from rewardlab.models.boundary import answer_ids
from rewardlab.scores import ScoredRow, Scores, span_with_text
from rewardlab.spans import (
    ErrorSpan,
    folded,
    marked_text,
    once_each,
    printable,
    token_texts,
)
from rewardlab.store.checkpoints import checkpoint_in
from rewardlab.trainers.rollout import answer_bounds, hypothesis_in

WIDTH = 80
"""Columns of the printed form."""
PRINTED_ROWS = 16
"""Rows that are printed; ``result[20]`` is any other one."""
STRONG = 3.0
"""The advantage with the full colour in a notebook."""
WHERE = "token_advantages"
SPACES = frozenset("Ġ▁ ")
"""How tokenizers write a space in the name of a token."""


@dataclass(frozen=True, repr=False)
class TokenRow:
    """One row of `TokenAdvantages`: T tokens with their places, credit and advantages.

    Attributes:
        scored: The candidate with its scores, statuses and spans.
        ids: T token ids.
        tokens: The characters of each token, a character of several tokens on the last of them.
            A token without a character in the hypothesis has what it decodes to, such as the space
            before the hypothesis, or its name, such as that of the end of the sequence.
        starts: int64 (T,) first character of each token in the hypothesis.
        ends: int64 (T,) one past its last.
        credit: float64 (T,) by reward with a token weight: minus the error weight on each token,
            before it is centred or whitened.
        advantages: float64 (T,).
    """

    scored: ScoredRow
    ids: Sequence[int]
    tokens: Sequence[str]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    credit: Mapping[str, NDArray[np.float64]]
    advantages: NDArray[np.float64]

    @property
    def spans(self) -> Mapping[str, Sequence[ErrorSpan]]:
        """Errors by reward."""
        return self.scored.spans

    @property
    def text(self) -> str:
        """The hypothesis."""
        return self.scored.candidate.hypothesis

    def __repr__(self) -> str:
        return f"<TokenRow {shown(self.text, 50)}: {len(self.ids)} tokens>"

    def __str__(self) -> str:
        """The marked text, the spans, and each token with its advantage, in 80 columns."""
        candidate = self.scored.candidate
        found = [span for spans in self.spans.values() for span in spans]
        lines = [marked_text(self.text, found) or "(empty)"]
        if self.scored.gated:  # every reward has the same span: the whole text
            lines.append(f"gated by {self.scored.gated}: every reward gives its worst score")
        else:
            for name, spans in self.spans.items():
                told = "; ".join(once_each(span_with_text(candidate, span) for span in spans))
                lines += [f"{name}: {told}"] if told else []
        lines = [part for line in lines for part in folded(line, WIDTH - 2)]
        charged = {name: values for name, values in self.credit.items() if values.any()}
        rows = {"token": [_cell(token) for token in self.tokens]}
        rows |= {
            f"credit {name}" if len(charged) > 1 else "credit": [
                f"{value + 0.0:g}" for value in values
            ]  # no -0
            for name, values in charged.items()
        }
        rows["advantage"] = [f"{value:+z.2f}" for value in self.advantages.tolist()]
        return "\n".join([*lines, *_blocks(rows)])

    def record(self) -> dict[str, Any]:
        """The row for JSON."""
        return {
            **self.scored.record(),
            "ids": list(self.ids),
            "tokens": list(self.tokens),
            "starts": self.starts.tolist(),
            "ends": self.ends.tolist(),
            "credit": {name: values.tolist() for name, values in self.credit.items()},
            "advantages": self.advantages.tolist(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class TokenAdvantages:
    """N rows with their tokens, spans, credit and advantages; ``result[0]`` is the first.

    ``print(result)`` shows the rows in 80 columns, and a notebook shows them in colour.

    Attributes:
        rows: N rows.
        scores: The scores of the ensemble.
        advantages: float64 (N, T), what the trainer's loss would get; 0 outside the mask.
        mask: bool (N, T), True for tokens.
        num_generations: Group size G.
        preset: The name of the preset.
        notes: What a reader should know: spans that could not be placed, no token weights.
    """

    rows: Sequence[TokenRow]
    scores: Scores
    advantages: Tensor
    mask: Tensor
    num_generations: int
    preset: str
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> TokenRow:
        return self.rows[row]

    def __iter__(self) -> Iterator[TokenRow]:
        return iter(self.rows)

    def __repr__(self) -> str:
        groups = len(self) // self.num_generations
        return (
            f"<TokenAdvantages: {len(self)} rows in {groups} "
            f"group{'' if groups == 1 else 's'} of {self.num_generations}, "
            f"{int(self.mask.sum())} tokens, preset {self.preset}>"
        )

    def __str__(self) -> str:
        """The rows, at most `PRINTED_ROWS` of them, and the notes."""
        lines: list[str] = []
        for at, row in enumerate(self.rows[:PRINTED_ROWS]):
            group, place = divmod(at, self.num_generations)
            lines += [f"row {at} (group {group}, completion {place})"]
            lines += [f"  {line}".rstrip() for line in str(row).splitlines()] + [""]
        if (more := len(self) - PRINTED_ROWS) > 0:
            lines.append(f"{more:,} more rows: print(result[{PRINTED_ROWS}])")
        lines += [part for note in self.notes for part in folded(f"note: {note}", WIDTH - 2)]
        return "\n".join(lines).rstrip()

    def _repr_html_(self) -> str:
        """The rows for a notebook: green for a positive and red for a negative advantage."""
        lines: list[str] = []
        for at, row in enumerate(self.rows[:PRINTED_ROWS]):
            tokens = "".join(_coloured(row, token) for token in range(len(row.ids)))
            lines.append(f"<p>{at}: {tokens}</p>")
        lines += [f"<p><i>{html.escape(note)}</i></p>" for note in self.notes]
        return "".join(lines)

    def records(self) -> list[dict[str, Any]]:
        """N rows for JSON, see `TokenRow.record`."""
        return [row.record() for row in self.rows]


def token_advantages(
    tokenizer: PreTrainedTokenizerBase | str | Path,
    ensemble: RewardEnsemble,
    candidates: Sequence[Any],
    *,
    num_generations: int,
    preset: str = "gdpo",
    credit: str = "span",
    omission: str = "ignore",
    completion_ids: Sequence[Sequence[int]] | None = None,
) -> TokenAdvantages:
    """Score candidates, place their error spans on tokens, and combine both into advantages.

    Args:
        tokenizer: The policy's tokenizer, or the directory of a checkpoint or run. A text is always
            a local directory; nothing is downloaded.
        ensemble: The rewards. Without a token weight, all tokens of a row have one advantage.
        candidates: N candidates, prompt-major: groups of ``num_generations`` hypotheses of one
            source.
        num_generations: Group size G, at least 2.
        preset: How scores and credit are combined: a name of `rewardlab.advantages.PRESETS`.
        credit: How a span's weight is spread over its tokens: a name of ``CREDIT``.
        omission: Which tokens an omission is charged to: a name of ``OMISSION``.
        completion_ids: N lists of sampled ids; by default those of the hypothesis after its prompt,
            with the end of sequence. What is scored is the text of the ids, without reasoning.

    Returns:
        N rows, in the order of the candidates.

    Raises:
        UserError: E026 a name is unknown; E025, E031, E035 G does not fit N, or is below 2; E107,
            E108 these are no ensemble or no candidates; E112 the tokenizer cannot be used; E113 the
            ids do not fit the candidates; and what the ensemble raises.
    """
    composing.raise_if_any(composing.ensemble_problems(ensemble, f"{WHERE}.ensemble"))
    rows = as_candidates(candidates, WHERE)
    advantage = combination(preset, credit=credit, omission=omission)
    _check_groups(len(rows), num_generations)
    _check_sources([row.source for row in rows], num_generations)
    known = _tokenizer(tokenizer)
    ids = _ids(known, rows, completion_ids)
    decoded = [
        hypothesis_in(known, one, prompt=row.prompt or "")
        for row, one in zip(rows, ids, strict=True)
    ]
    _check_decoded(decoded)
    if completion_ids is not None:
        _check_texts([row.hypothesis for row in rows], decoded)
    scored = [replace(row, hypothesis=one.text) for row, one in zip(rows, decoded, strict=True)]
    scores = ensemble(scored)
    mask = _mask(ids)
    spans = align(decoded, scores.spans, scores.severities, length=mask.shape[1])
    advantages = advantage(reward_rows(scores), spans, mask, num_generations=num_generations)
    charged = {
        scores.names[column]: CREDIT[credit](spans, column) * mask
        for column in scores.token_weights.nonzero()[0].tolist()
    }
    token_rows = [
        _row(
            known,
            scores[row],
            decoded[row],
            ids=one,
            credit={name: values[row] for name, values in charged.items()},
            advantages=advantages[row],
        )
        for row, one in enumerate(ids)
    ]
    changed = [at for at, row in enumerate(rows) if row.hypothesis != scored[at].hypothesis]
    notes = [*scores.notes, *_notes(spans, charged, changed)]
    return TokenAdvantages(token_rows, scores, advantages, mask, num_generations, preset, notes)


def _mask(ids: Sequence[Sequence[int]]) -> Tensor:
    """Bool (N, T), True for tokens; T is at least 1."""
    lengths = torch.tensor([len(one) for one in ids])
    return torch.arange(max(1, int(lengths.max()))) < lengths[:, None]


def _row(
    tokenizer: PreTrainedTokenizerBase,
    scored: ScoredRow,
    decoded: Decoded,
    *,
    ids: Sequence[int],
    credit: Mapping[str, Tensor],
    advantages: Tensor,
) -> TokenRow:
    """One row without its padding, with the characters of each token or its name."""
    starts, ends = decoded.starts.tolist(), decoded.ends.tolist()
    texts = token_texts(decoded.text, starts, ends)
    tokens = [
        text if end > start else _outside(tokenizer, one)
        for text, start, end, one in zip(texts, starts, ends, ids, strict=True)
    ]
    return TokenRow(
        scored=scored,
        ids=ids,
        tokens=tokens,
        starts=decoded.starts,
        ends=decoded.ends,
        credit={name: values[: len(ids)].numpy() for name, values in credit.items()},
        advantages=advantages[: len(ids)].numpy(),
    )


def _outside(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """What a token outside the hypothesis decodes to; its name if that is not a text."""
    name: str = cast("Any", tokenizer).convert_ids_to_tokens(token)
    if set(name) <= SPACES:
        return " " * len(name)
    text: str = cast("Any", tokenizer).convert_tokens_to_string([name])
    return name if not text or "\ufffd" in text else text


# ── checks ──────────────────────────────────────────────────────────────────────────────────────


def _check_sources(sources: Sequence[str], num_generations: int) -> None:
    """Refuse groups whose rows have different sources.

    Raises:
        UserError: E031, with the first such group.
    """
    for start in range(0, len(sources), num_generations):
        group = sources[start : start + num_generations]
        other = next((at for at, source in enumerate(group) if source != group[0]), None)
        if other is not None:
            what = (
                f"rows {start} and {start + other} are in one group and have different sources, "
                f"{shown(group[0], 30)} and {shown(group[other], 30)}"
            )
            fix = "put all hypotheses of a source one after the other"
            raise UserError([Problem("E031", f"{WHERE}.candidates", what, fix)], EXIT_DATA)


def _check_groups(rows: int, num_generations: int) -> None:
    """Refuse no rows at all, and groups that are not whole.

    Raises:
        UserError: E025, E031, E035 as `rewardlab.advantages.group_problems`; E108 no candidates.
    """
    if not rows:
        fix = "a list of candidates: [Candidate(source, hypothesis, reference), ...]"
        raise UserError([Problem("E108", f"{WHERE}.candidates", "there are no rows", fix)])
    composing.raise_if_any(group_problems(rows, num_generations, where=f"{WHERE}.num_generations"))


def _tokenizer(given: PreTrainedTokenizerBase | str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer, loaded if a path was given.

    Raises:
        UserError: E112, it cannot be loaded or has no places of tokens.
    """
    where = f"{WHERE}.tokenizer"
    fix = (
        "the directory of a checkpoint or run, or a tokenizer: "
        "AutoTokenizer.from_pretrained('org/name')"
    )
    if isinstance(given, (str, Path)):
        place = checkpoint_in(given)
        if not place.is_dir():
            what = f"the directory {shown(str(given))} does not exist"
            raise UserError([Problem("E112", where, what, fix)])
        try:
            loaded = AutoTokenizer.from_pretrained(
                str(place), local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            what = f"{shown(str(given))} holds no tokenizer that can be loaded: {one_line(error)}"
            raise UserError([Problem("E112", where, what, fix)]) from error
        given = cast("PreTrainedTokenizerBase", loaded)
    if not isinstance(given, PreTrainedTokenizerBase):  # pyright: ignore[reportUnnecessaryIsInstance]
        what = f"{kind_of(given)} is not a tokenizer of transformers"
        raise UserError([Problem("E112", where, what, fix)])
    if getattr(given, "backend_tokenizer", None) is None:
        what = (
            f"{type(given).__name__} has no offsets, so error spans cannot be placed on its tokens"
        )
        fix = "a fast tokenizer: AutoTokenizer.from_pretrained(directory, use_fast=True)"
        raise UserError([Problem("E112", where, what, fix)])
    return given


def _ids(
    tokenizer: PreTrainedTokenizerBase,
    candidates: Sequence[Candidate],
    given: Sequence[Sequence[int]] | None,
) -> list[list[int]]:
    """The given ids, or those of the hypotheses with the end of the sequence.

    Raises:
        UserError: E113, the ids are not one list for each candidate.
    """
    if given is None:
        return [answer_ids(tokenizer, row.prompt or "", row.hypothesis) for row in candidates]
    where, fix = f"{WHERE}.completion_ids", "one list of sampled ids for each candidate"
    try:
        lists = list(given)
        arrays = [np.asarray(one).reshape(-1) for one in lists]
        whole = [one.size == 0 or np.issubdtype(one.dtype, np.integer) for one in arrays]
        ids = [one.astype(np.int64).tolist() for one in arrays] if all(whole) else []
    except (TypeError, ValueError, OverflowError) as error:
        what = f"these are not lists of token ids: {one_line(error)}"
        raise UserError([Problem("E113", where, what, fix)], EXIT_DATA) from error
    if len(lists) != len(candidates):
        what = f"{len(lists)} lists of ids for {len(candidates)} candidates"
        raise UserError([Problem("E113", where, what, fix)], EXIT_DATA)
    if not all(whole):
        row = whole.index(False)
        what = f"row {row}: {shown(lists[row], 60)} is not a list of token ids"
        raise UserError([Problem("E113", where, what, fix)], EXIT_DATA)
    if wrong := [
        row for row, one in enumerate(ids) if any(not 0 <= at < len(tokenizer) for at in one)
    ]:
        what = f"row {wrong[0]} holds an id outside the vocabulary of {len(tokenizer):,} tokens"
        raise UserError([Problem("E113", where, what, "leave out padding such as -100")], EXIT_DATA)
    pad = tokenizer.pad_token_id
    if pad != tokenizer.eos_token_id and (
        padded := [at for at, one in enumerate(ids) if pad in one]
    ):
        what = f"row {padded[0]} contains the padding token {shown(str(tokenizer.pad_token))}"
        fix = "leave out padding: it would count as sampled tokens"
        raise UserError([Problem("E113", where, what, fix)], EXIT_DATA)
    return ids


def _check_decoded(decoded: Sequence[Decoded]) -> None:
    """E112 if no row could be aligned."""
    if not any(one.aligned for one in decoded):
        what = "the text of its tokens differs from what it decodes, so error spans have no place"
        fix = "tokenizer.clean_up_tokenization_spaces = False"
        raise UserError([Problem("E112", f"{WHERE}.tokenizer", what, fix)])


def _check_texts(hypotheses: Sequence[str], decoded: Sequence[Decoded]) -> None:
    """E113 if the ids of a candidate do not hold its hypothesis."""
    for row, (hypothesis, one) in enumerate(zip(hypotheses, decoded, strict=True)):
        if one.text != hypothesis[slice(*answer_bounds(hypothesis))]:
            what = f"row {row}: the ids are those of {shown(one.text, 40)}, and the hypothesis is "
            what += shown(hypothesis, 40)
            fix = "the ids of this hypothesis, in the order of the candidates"
            problem = Problem("E113", f"{WHERE}.completion_ids", what, fix)
            raise UserError([problem], EXIT_DATA)


def _notes(
    spans: AlignedSpans, charged: Mapping[str, Tensor], changed: Sequence[int]
) -> Iterator[str]:
    if not charged:
        yield (
            "no term has a token_weight, so all tokens of a row have the same advantage; give one "
            "to a reward with spans: Term(LexicalSpans(), weight=0, token_weight=0.5)"
        )
    if lost := spans.total - spans.found:
        yield f"{lost} of {spans.total} error spans could not be placed on tokens"
    if changed:
        rows = ", ".join(map(str, changed[:5]))
        yield (
            f"{len(changed)} hypotheses are scored as the tokenizer writes them, without reasoning "
            f"(first rows: {rows})"
        )


# ── showing ─────────────────────────────────────────────────────────────────────────────────────


def _cell(token: str) -> str:
    """A token in a table: a space as ``␣``, and ``…`` for the beginning of a character."""
    return (printable(token).strip() or "␣") if token else "…"


def _blocks(rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Rows of cells below each other, in blocks that fit into `WIDTH` with an indent of two.

    Args:
        rows: Name of a row -> T cells.
    """
    label = max(map(cell_len, rows))
    room = WIDTH - 2 - label
    columns = [_clipped(cells, room - 1) for cells in zip(*rows.values(), strict=True)]
    block: list[list[str]] = []
    used = 0
    for cells in columns:
        width = max(map(cell_len, cells)) + 1
        if used + width > room and block:
            yield from _lines(rows, label, block)
            block, used = [], 0
        block.append([" " * (width - cell_len(cell)) + cell for cell in cells])
        used += width
    yield from _lines(rows, label, block)


def _lines(
    rows: Mapping[str, Sequence[str]], label: int, block: Sequence[Sequence[str]]
) -> Iterator[str]:
    for at, name in enumerate(rows):
        yield f"{name:<{label}}" + "".join(cells[at] for cells in block)


def _clipped(cells: Sequence[str], room: int) -> list[str]:
    return [cell if cell_len(cell) <= room else f"{cell[: max(1, room // 2)]}…" for cell in cells]


def _coloured(row: TokenRow, token: int) -> str:
    """One token as HTML: its advantage as the colour behind it and in the title."""
    value = float(row.advantages[token])
    share = min(1.0, abs(value) / STRONG)
    colour = f"rgba({'200,0,0' if value < 0 else '0,140,0'},{0.6 * share:.2f})"
    start, end = int(row.starts[token]), int(row.ends[token])
    marked = any(
        span.side == "hypothesis" and span.start < end and start < span.end
        for spans in row.spans.values()
        for span in spans
    )
    line = ";text-decoration:underline" if marked else ""
    text = html.escape(printable(row.tokens[token]))
    return f'<span style="background:{colour}{line}" title="{value:+z.2f}">{text}</span>'
