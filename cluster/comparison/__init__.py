"""Compares the local cluster with one on Vertex AI or Kubernetes: `python -m cluster diff`."""
