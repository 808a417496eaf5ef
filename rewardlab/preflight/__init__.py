"""Preflight: is a reward safe to train on? What it prefers to honest texts, and what stops that.

`preflight` measures everything, `safety` attacks and judges, `default_gates` holds the gates.
"""
