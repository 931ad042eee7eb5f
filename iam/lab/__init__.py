"""The lab as values: its settings, iam/lab.yaml and the principals that exist in it, all parsed strictly."""
