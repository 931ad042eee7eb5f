"""Buckets and the files in them: names, listings, plans of what to copy, and the transfers."""
