"""Translation of sources: one translation per source, or the best of several samples."""
