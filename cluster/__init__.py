"""Manages the Ray cluster: `python -m cluster up|down|status|scale|images`, here or on Vertex AI.

`compose.yaml` defines the topology, which `raydock.topology` reads. A runtime starts it on this machine: Docker Compose
(`docker/`), or plain processes if no Docker engine answers (`processes/`). Both implement the interface in
`runtimes.py`. `vertex_ai/` has the same commands for clusters on Vertex AI.
"""
