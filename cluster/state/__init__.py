"""What `python -m cluster` keeps in the state folder (.raydock): the key, its records, its lock, and logs."""
