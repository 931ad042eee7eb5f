"""The `python -m iam` commands. Each receives the parsed options, prints its result and returns the exit code."""
