"""What a job's text tells: what runs, with which options, which modules, which paths."""
