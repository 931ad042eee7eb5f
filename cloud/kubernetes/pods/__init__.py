"""What a kubelet does: containers for pods, and the pods' statuses."""
