"""Checks before GPU time is used: all problems of a run are reported at once.

Each file contains the checks of one part, as small functions of plain values. `training` (sft and
rl), `scorer` (train-reward) and `decoding` (translate, rerank, evaluate) combine them.
"""
