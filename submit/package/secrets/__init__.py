"""Find secrets and credential files before they are sent."""
