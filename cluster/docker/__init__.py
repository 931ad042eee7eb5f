"""The docker runtime: runs compose.yaml with Docker Compose."""
