"""Floor 2: from probabilities to extent, and from extent and reference labels to agreement."""
