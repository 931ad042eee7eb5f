"""Prints its time as its first act, then goes on for a while."""

import time

print("MARK", time.time(), flush=True)
time.sleep(2)
