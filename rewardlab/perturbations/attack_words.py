"""The words that attacks use, read from ``attack_words.toml``; a new language is an entry there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

_TABLES: Mapping[str, Any] = tomllib.loads(
    files("rewardlab.perturbations").joinpath("attack_words.toml").read_text("utf-8")
)
FOREIGN: Mapping[str, Sequence[str]] = _TABLES["foreign"]
"""By language, fluent sentences that translate no source."""
PARALLEL: Mapping[str, Sequence[str]] = _TABLES["parallel"]
"""By language, the sentences of `FOREIGN` in languages that no attack uses: with `FOREIGN`, a small
parallel corpus for data without references."""
NEGATION: Mapping[str, Sequence[tuple[str, str]]] = _TABLES["negation"]
"""By language, patterns and replacements: the first pattern that matches is replaced once."""
JUDGE_PHRASES: Sequence[str] = _TABLES["judge_phrases"]
"""Texts with which a policy may try to influence its judge."""
