"""Job files of routine runs, and what starts them on a cluster, as package data."""
