"""The model packages that ship with the product, a folder each."""
