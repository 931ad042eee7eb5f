"""What a new cluster consists of: its options, plan, images, machines, and the request for Vertex AI."""
