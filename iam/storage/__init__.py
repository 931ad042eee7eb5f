"""Buckets and the files in them: names, listings, copy plans and transfers."""
