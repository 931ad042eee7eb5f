"""The docker runtime: compose.yaml, run by Docker Compose."""
