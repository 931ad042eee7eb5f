"""Prints the time as its first action, then runs for two more seconds."""

import time

print("MARK", time.time(), flush=True)
time.sleep(2)
