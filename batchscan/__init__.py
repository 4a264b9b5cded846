"""Batch evaluation and reporting for archives of whole-mount breast slides (research software)."""

__version__ = "0.1.0"
