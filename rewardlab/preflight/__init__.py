"""Preflight: is a reward safe to train on? Which attacks does it prefer, and which gates stop them?

`preflight` measures everything, `safety` attacks and judges, `default_gates` defines the gates.
"""
