"""`python -m cluster fault`: faults on purpose in the running lab. The lab's side is cloud/faults/."""
