"""The sources of the documentation, and the tools that write parts of it."""
