"""The `python -m cluster` commands for RayClusters on Kubernetes: `--target kuberay`."""
