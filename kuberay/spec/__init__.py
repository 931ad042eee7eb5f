"""A RayCluster before it exists: its options, its values for Helm, and how it differs from an existing one."""
