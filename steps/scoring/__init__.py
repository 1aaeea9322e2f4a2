"""How right a map is: matrices, scores, and what the folds say."""
