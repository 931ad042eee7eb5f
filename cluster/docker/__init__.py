"""The cluster in Docker: compose.yaml, run by Docker Compose."""
