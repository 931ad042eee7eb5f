"""What a job used in the lab: whether its header says so, and a run with the smallest roles for it."""
