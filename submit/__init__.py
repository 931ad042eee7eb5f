"""Sends one job script, unchanged, to a Ray cluster: check, package, submit, follow, result."""
