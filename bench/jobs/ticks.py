"""Prints the time five times a second for ten seconds."""

import time

for _ in range(50):
    print("MARK", time.time(), flush=True)
    time.sleep(0.2)
