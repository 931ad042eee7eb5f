"""The clusters' nodes: containers, networks, sizes and identities."""
