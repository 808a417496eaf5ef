"""Is a reward safe to train on? What it prefers to honest texts, and which gate stops that."""
