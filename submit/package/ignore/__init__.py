"""Ignore files, as Git reads them."""
