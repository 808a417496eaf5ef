"""Languages of published systems and test sets, from ``language_sets.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@cache
def language_sets() -> Mapping[str, tuple[str, ...]]:
    """Name of a set -> its language codes.

    ``wmt24pp`` has the 55 targets of WMT24++, ``translategemma`` the 30 further languages of
    TranslateGemma, and ``lmt_high``, ``lmt_medium`` and ``lmt_low`` the 60 languages of LMT.

    >>> [len(codes) for codes in language_sets().values()]
    [55, 30, 13, 18, 29]
    """
    text = files("rewardlab.text").joinpath("language_sets.toml").read_text("utf-8")
    return MappingProxyType({name: tuple(codes) for name, codes in tomllib.loads(text).items()})
