"""`python -m iam used`: from a job's run in the lab to the smallest set of roles that would have sufficed."""
