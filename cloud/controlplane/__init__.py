"""Vertex AI's control plane in the lab: runs Ray on Vertex AI clusters as containers on this machine."""
