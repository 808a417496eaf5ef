"""Translations changed on purpose: attacks on a reward, and errors to learn from."""
