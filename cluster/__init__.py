"""The life of a cluster: `python -m cluster up|down|status|scale|images`.

compose.yaml holds the topology (topology.py reads it). Each kind of cluster is one module that offers
the interface of kinds.py: Docker Compose (compose.py), and plain processes where no engine answers
(processes.py).
"""
