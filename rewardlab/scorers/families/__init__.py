"""Training scorers from human judgements: one file for each family, all behind `family.Family`."""
