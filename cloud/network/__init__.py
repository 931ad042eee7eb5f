"""TLS, the egress proxy, and responses for Google services that the lab does not emulate."""
