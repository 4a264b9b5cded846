"""Floor 1: everything that is read from or written to disk."""
