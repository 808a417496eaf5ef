"""A miniature world: a controlled grammar in real languages, and text with known errors."""
