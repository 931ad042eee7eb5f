"""Measurements, each beside the stock way of doing the same work, in the same run: `python -m bench`."""
