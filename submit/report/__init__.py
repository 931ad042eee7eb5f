"""The report on saved results: pages for a browser.

`selection` finds the records, `run` reads them, `answer`, `limits` and `scaling` compute, `bars`, `timeline` and
`charts` draw, `overview_page` and `job_page` assemble, `files` writes.
"""
