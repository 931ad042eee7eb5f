"""The report page on saved results: `summary` and `scaling` compute, `charts` draws, `page` assembles."""
