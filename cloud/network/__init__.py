"""Ways in and out: TLS, the egress proxy, answers for services that the lab lacks."""
