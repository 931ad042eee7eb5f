"""The API: its methods, and their two front ends, gRPC and REST."""
