"""Checkpoints from elsewhere: fetched from packages, converted to safetensors, trimmed."""
