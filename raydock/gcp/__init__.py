"""Google Cloud from a client's perspective: the lab's or the real one, and access tokens."""
