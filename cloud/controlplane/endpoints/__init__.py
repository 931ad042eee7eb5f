"""What a cluster answers on: its dashboard, its Ray Client endpoint, their host names."""
