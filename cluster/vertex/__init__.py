"""`python -m cluster … --target vertex`: the cluster of compose.yaml on Ray on Vertex AI.

`plan` says what will be made, `resource` makes it Google's message, `life` creates, awaits and deletes it;
`cli` is the only module here that prints. Google's SDK is reached through the package `vertex` only.
"""
