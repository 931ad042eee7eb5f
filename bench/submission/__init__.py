"""Benchmarks of submission: from the command to the first line, and from the job's end to the exit code."""
