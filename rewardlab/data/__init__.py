"""Parallel text: formats, corpora with their splits and counts, and synthetic rows."""
