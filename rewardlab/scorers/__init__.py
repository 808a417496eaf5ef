"""Training a scorer from human judgements, and measuring what came out."""
