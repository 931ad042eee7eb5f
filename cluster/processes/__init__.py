"""The processes runtime: the cluster as processes of this machine, without Docker."""
