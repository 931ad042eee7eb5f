"""Faults on purpose: which are active, which calls they hit, and what happens to those calls."""
