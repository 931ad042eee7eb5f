"""A cluster's public endpoints: the dashboard, Ray Client, and their host names."""
