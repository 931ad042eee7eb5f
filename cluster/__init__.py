"""Manages the Ray cluster, on this machine or on Vertex AI: `python -m cluster up|down|status|scale|images`.

`compose.yaml` defines the topology, which `raydock.topology` reads. On this machine, one of two runtimes starts it:
Docker Compose (`docker/`), or plain processes if no Docker engine responds (`processes/`). Both implement the interface
in `runtimes.py`. `vertex_ai/` implements the same commands for clusters on Vertex AI.
"""
