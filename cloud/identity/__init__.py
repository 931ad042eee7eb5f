"""Identity and access: the metadata server, tokens, IAM policies and service accounts."""
