"""Recorded results as a page: `summary` and `scaling` compute, `charts` draws, `page` puts it together."""
