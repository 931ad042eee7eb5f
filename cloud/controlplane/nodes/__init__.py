"""The nodes of clusters: their containers, networks, sizes and identities."""
