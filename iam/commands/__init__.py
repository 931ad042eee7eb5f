"""The commands of `python -m iam`: each takes the parsed options, prints its result and returns the exit code."""
