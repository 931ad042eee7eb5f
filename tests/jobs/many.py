"""Starts Ray, waits a little and ends: by exit status 7 where its number is a multiple of three."""

import sys
import time

import ray

ray.init(log_to_driver=False)
time.sleep(3)
number = int(sys.argv[1])
print("job", number, flush=True)
sys.exit(0 if number % 3 else 7)
