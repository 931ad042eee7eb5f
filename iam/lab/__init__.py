"""The lab's configuration, parsed strictly: its settings, iam/lab.yaml and its principals."""
