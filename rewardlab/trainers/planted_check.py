"""The check of rewards on planted texts before the first step of a training run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rewardlab.data.candidate_rows import candidate_of
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import EXIT_REWARD, UserError
from rewardlab.preflight.planted import check_planted, spread_rows
from rewardlab.trainers.reward_phase import stop_together

_log = logging.getLogger(__name__)


class PlantedCheck(TrainerCallback):
    """Asks learned rewards about planted texts before the first step; not when a run is resumed.

    The first process asks, and a refusal stops all of them. ``trainer.remove_callback`` turns the
    check off: ``rewardlab rl`` does so, because it has made the check before the trainer exists.

    Args:
        ensemble: The ensemble to check.
        rows: The training rows, as the trainer reads them; None makes no check.
    """

    def __init__(self, ensemble: RewardEnsemble, rows: Iterable[Mapping[str, Any]] | None) -> None:
        self._ensemble = ensemble
        self._rows = rows

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **_: Any,
    ) -> None:
        """Check the ensemble, and log what is doubtful.

        Raises:
            UserError: E130 a reward is blind, E131 a reward scores nothing; exit code 4.
            RewardFailed: A reward has a bug, or another process was refused.
        """
        if state.global_step or self._rows is None:
            return
        failure: Exception | None = None
        if PartialState().is_main_process:
            try:
                self._check(self._rows)
            except Exception as error:  # noqa: BLE001 - told to the other processes, then raised
                failure = error
        stop_together(failure)

    def _check(self, rows: Iterable[Mapping[str, Any]]) -> None:
        candidates = [candidate_of(row, row["prompt"], "") for row in spread_rows(rows)]
        entries = (*self._ensemble.terms, *self._ensemble.gates)
        problems, notes = check_planted(entries, candidates, timeout=self._ensemble.timeout)
        for note in notes:
            _log.warning(note)
        if problems:
            raise UserError(problems, EXIT_REWARD)
