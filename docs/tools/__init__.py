"""Generates the parts of the documentation that come from the code or from a running lab."""
