"""The lab cloud: what stands around the cluster that is Google's on Vertex AI."""
