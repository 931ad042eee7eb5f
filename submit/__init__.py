"""Send one job script, unchanged, to a Ray cluster: check, package, submit, follow, collect the result."""
