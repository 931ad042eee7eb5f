"""The pure core: policies in, verdicts out. It imports nothing else of ours but errors."""
