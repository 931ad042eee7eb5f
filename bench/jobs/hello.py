"""Prints a line."""

print("MARK 0", flush=True)
