"""The commands of `python -m cluster` for clusters on Vertex AI: `--target vertex`, `idle` and `diff`."""
