"""Asking a language model for a judgement and reading its answer; independent of any reward.

``prompts`` builds the questions from prompt files, ``fences`` keeps the judged text from acting as
instructions, ``answers`` defines the forms of answers and parses them strictly, ``locating`` finds
the words that an answer quotes, ``asking`` asks every question at most twice.
"""
