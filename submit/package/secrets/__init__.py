"""Secrets and credential files, found before they travel."""
