"""The only client of Ray's dashboard, Job API and state API."""
