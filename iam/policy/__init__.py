"""The pure core: policies in, verdicts out. It imports nothing else of the project but its errors."""
