"""Kubernetes in the lab: a real API server, and a controller that runs RayClusters' pods as containers."""
