"""Training rewards from human judgements: examples, document split, families, measurement."""
