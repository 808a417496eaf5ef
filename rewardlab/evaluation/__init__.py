"""Evaluation of translations of a test set: metrics, intervals, significance.

`evaluate` measures everything, `metrics` turns rewards into metrics, `significance` resamples.
"""
