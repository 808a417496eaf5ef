"""Training: TRL's trainers with rewards, spans and token-level advantages."""

import os

# TRL reports usage when a trainer is constructed; a library of ours does not decide that for you.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
