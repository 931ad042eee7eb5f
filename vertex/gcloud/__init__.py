"""`gcloud` and `gsutil` in the lab's user containers: the commands that Google's notebooks of Ray on Vertex AI call.

Not Google's program. It does what the notebooks need with the code of `python -m iam` and `vertex`, and rejects
everything else by name, with exit code 2.
"""
