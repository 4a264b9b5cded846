"""Floor 2: from a slide store to a probability for each patch."""
