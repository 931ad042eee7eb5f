"""Ray clusters of Vertex AI through Google's own SDK: found, made, removed. `submit` and `cluster` use it."""
