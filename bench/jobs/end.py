"""Runs for one second, prints the time as its last action, and exits with the given code."""

import sys
import time

time.sleep(1)
print("MARK", time.time(), flush=True)
sys.exit(int(sys.argv[1]))
