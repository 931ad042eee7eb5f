"""Reads a real project and writes a lab file in which the lab decides as the project does. Read-only."""
