"""The flags of `--target`, and what its targets share: `python -m cluster` on Vertex AI and Kubernetes."""
