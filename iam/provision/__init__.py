"""Plan, create, record and remove what jobs on Vertex AI need in a project."""
