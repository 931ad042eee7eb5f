"""The files that `python -m cluster` keeps in the state folder (.raydock): the key, records, a lock and logs."""
