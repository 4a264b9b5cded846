"""Real slides, damaged at random, go through the ingest: what `scripts/fuzz_ingest.py` is made of."""
