"""Manages the Ray cluster: `python -m cluster up|down|status|scale|images`, here or on Vertex AI.

`compose.yaml` defines the topology; `raydock.topology` reads it. A runtime starts that topology on this machine: Docker
Compose (`docker/`), or plain processes if no Docker engine is available (`processes/`). Each implements the interface in
`runtimes.py`. The `vertex_*` modules run the same commands against Ray on Vertex AI.
"""
