"""The speed-up of the lessons, compared with plain processes on this machine."""
