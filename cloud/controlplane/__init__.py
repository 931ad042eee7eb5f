"""The lab's Vertex AI control plane: runs Ray on Vertex AI clusters as containers on this machine."""
