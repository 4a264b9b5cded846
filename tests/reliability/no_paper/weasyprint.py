"""What a machine without Pango has in place of the library that prints: an error."""

raise ImportError("nothing is printed here")
