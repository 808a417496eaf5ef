import json
import math

import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from rewardlab.trainers.run_log import MetricsLog


def test_what_is_not_finite_is_null(tmp_path):
    state = TrainerState()
    state.global_step = 3
    logs = {
        "loss": math.nan,
        "grad_norm": torch.tensor(math.inf),
        "share": torch.tensor(0.5),
        "scores": [1, -math.inf],
        "name": "chrf",
        "evaluated": True,
    }
    args = TrainingArguments(str(tmp_path), use_cpu=True)
    MetricsLog().on_log(args, state, TrainerControl(), logs)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(text) == {
        "step": 3,
        "loss": None,
        "grad_norm": None,
        "share": 0.5,
        "scores": [1, None],
        "name": "chrf",
        "evaluated": True,
    }
    assert "NaN" not in text
    assert "Infinity" not in text
