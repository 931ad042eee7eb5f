"""Autoscaling: adds nodes to autoscaled pools for pending demand, and removes idle nodes.

Google documents Ray's defaults: https://cloud.google.com/vertex-ai/docs/open-source/ray-on-vertex-ai/scale-clusters and
https://docs.ray.io/en/latest/cluster/vms/user-guides/configuring-autoscaling.html.
"""
