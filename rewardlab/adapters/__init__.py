"""Rewards in other programs: independent modules for TRL, verifiers and mbrs."""
