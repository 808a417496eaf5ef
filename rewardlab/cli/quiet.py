"""Keeps stdout for data: other libraries' progress bars and notices are turned off."""

from __future__ import annotations

import os
import warnings


def hush() -> None:
    """Silence data set, transformers and TRL notices that say nothing a user can act on."""
    import datasets
    from transformers.utils import logging

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="trl|transformers")
