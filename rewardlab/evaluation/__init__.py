"""Translations of a test set, measured: metrics, their intervals and significance."""
