"""Find, create and delete Ray clusters on Vertex AI through Google's SDK. Used by `submit` and `cluster`."""
