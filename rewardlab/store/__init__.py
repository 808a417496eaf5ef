"""What outlives a process: runs, journals, locks, translations, and what a model was trained on."""
