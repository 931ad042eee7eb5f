"""`--probe`: ask the cluster itself which permissions its identity has."""
