"""Showing a run to a person."""
