"""Vertex AI's control plane in the lab: clusters of Ray on Vertex AI, as containers of this machine."""
