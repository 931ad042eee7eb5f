"""What KubeRay's operator does: pods and services for RayClusters, clusters for RayJobs, and their statuses."""
