"""What jobs on Vertex AI need in a project: planned, created, recorded, removed."""
