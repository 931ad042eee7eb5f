"""Static analysis of a job's source: what runs, with which options, modules and paths."""
