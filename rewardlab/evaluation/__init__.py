"""Evaluation of translations of a test set: metrics, intervals, significance.

`evaluate` measures everything, `metrics` makes rewards into metrics, `significance` resamples.
"""
