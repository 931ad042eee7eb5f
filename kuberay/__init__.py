"""Ray clusters on Kubernetes, as KubeRay's custom resource RayCluster."""
