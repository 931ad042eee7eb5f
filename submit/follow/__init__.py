"""Follows a job: its log as it is written, its end as soon as it is confirmed."""
