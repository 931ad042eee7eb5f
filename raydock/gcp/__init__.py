"""Google Cloud as a client sees it: the lab's or the real one, and tokens for it."""
