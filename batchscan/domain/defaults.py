"""What is meant where a user names nothing; imports nothing, since the command line's help needs it."""

from __future__ import annotations

DEFAULT_MODEL = "published-cnn"
