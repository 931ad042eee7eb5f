"""Follow a job: its log as it grows, and its outcome as soon as it is confirmed."""
