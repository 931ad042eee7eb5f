"""The pure core: policies in, verdicts out. From the rest of the project, it imports only the errors."""
