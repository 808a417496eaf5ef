"""From sources to translations: one per source, or the best of several samples."""
