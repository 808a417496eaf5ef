"""Changed translations: attacks on a reward, and synthetic errors for scorers to learn from."""
