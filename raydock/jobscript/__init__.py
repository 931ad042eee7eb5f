"""Analysis of a job script's source: its header, its dependencies, and the possible values of its expressions."""
