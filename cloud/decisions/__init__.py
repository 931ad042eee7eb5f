"""The lab's record of permission decisions: who did what on which resource, when, from where, and with what outcome.

It contains neither tokens nor contents, its size is bounded, and it is deleted with the cluster. `python -m iam used`
reads it through the gateway.
"""
