"""The specification for a new cluster: its options, plan, images and machines, and the request to Vertex AI."""
