"""Follow a job: its log as it grows, its end as soon as it is confirmed."""
