"""A job script as text: its header, its dependencies, what its expressions may stand for."""
