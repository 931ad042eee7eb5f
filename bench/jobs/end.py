"""Works for a second, prints its time as its last act, and ends with the exit code that it is given."""

import sys
import time

time.sleep(1)
print("MARK", time.time(), flush=True)
sys.exit(int(sys.argv[1]))
