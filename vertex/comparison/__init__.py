"""Compares the local cluster with one on Vertex AI: `python -m cluster diff`."""
