"""The processes runtime: runs the cluster as processes on this machine, without Docker."""
