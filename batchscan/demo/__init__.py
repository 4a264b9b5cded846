"""The demo slide: one complete real whole mount as labelled patches (see README.md beside this file)."""
