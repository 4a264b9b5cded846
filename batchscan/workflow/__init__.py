"""Floor 3: the commands' work, composed from the floors below; yields events, prints nothing."""
