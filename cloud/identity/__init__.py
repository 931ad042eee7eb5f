"""Who calls, and what they may do: the metadata server, tokens, policies, service accounts."""
