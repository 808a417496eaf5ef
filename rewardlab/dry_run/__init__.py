"""Checks before a GPU is spent: every problem of a run is reported at once.

Each file holds the checks of one thing, as small functions over plain values. `training` (sft and
rl), `scorer` (train-reward) and `decoding` (translate, rerank, evaluate) put them together.
"""
