"""Job files of routine runs, as package data."""
