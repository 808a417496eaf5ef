"""Changed translations: attacks on a reward, and synthetic errors for training scorers."""
