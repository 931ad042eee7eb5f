"""The gateway: the lab's only published port, in front of Ray's dashboard."""
