"""Keeps stdout for data: turns off progress bars and notices of other libraries."""

from __future__ import annotations

import os
import warnings


def hush() -> None:
    """Silence notices of datasets, transformers and TRL that users cannot act on."""
    import datasets
    from transformers.utils import logging

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="trl|transformers")
