"""Folder of page templates, style sheets and the typeface (IBM Plex Sans, SIL OFL 1.1) that reports are set in."""
