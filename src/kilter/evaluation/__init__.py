"""How a configuration is scored: over frozen folds, one after the other, and again at the end for the best few."""
