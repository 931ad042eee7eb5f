"""The `python -m cluster` commands for clusters on Vertex AI: `--target vertex`, `idle` and `diff`."""
