"""What outlives a process: run directories."""
