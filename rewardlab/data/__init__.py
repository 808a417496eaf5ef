"""Text in, prompts out: corpora, languages, prompt styles."""
