"""A line every 0.1 s for so many seconds, then that exit code."""

import sys
import time

begun = time.monotonic()
for number in range(int(float(sys.argv[1]) * 10)):
    print(f"tick {number}", flush=True)
    time.sleep(max(0.0, begun + (number + 1) / 10 - time.monotonic()))
sys.exit(int(sys.argv[2]))
