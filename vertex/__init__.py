"""Finds, creates and deletes Ray clusters on Vertex AI with Google's SDK. `submit` and `cluster` use it."""
