"""A job's result: shown, written to a file, and saved for `report`."""
