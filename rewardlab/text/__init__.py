"""What text is made of, without a model: languages, words, sentences, number words, prompts."""
