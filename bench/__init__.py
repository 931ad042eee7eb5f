"""Benchmarks that compare raydock with the stock tools in the same run: `python -m bench`."""
