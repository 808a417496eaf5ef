"""From sources to translations: one a source, or the best of several samples."""
