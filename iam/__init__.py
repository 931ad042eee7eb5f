"""Decides from policies who may do what in Google Cloud. Shared by the preflight and the lab's cloud."""
