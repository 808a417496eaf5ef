"""Text without a model: languages, words, sentences, number words, prompts."""
