"""Rewards in other programs (TRL, verifiers, mbrs): one module each, independent of each other."""
