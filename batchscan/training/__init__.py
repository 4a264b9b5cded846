"""Floor 2: from labelled patches to a model package."""
