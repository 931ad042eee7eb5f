"""Runs etcd and the API server, with its certificates, tokens, KubeRay's definitions and a kubeconfig."""
