"""Validates requests to create or resize a cluster, and reports all problems with their fields.

A persistent resource is the JSON of its message, with the proto's field names. The limits come from the SDK
(vertex_ray.util.resources, vertex_ray.cluster_init) and the message's documentation. `Problems` are (field, message).
"""
