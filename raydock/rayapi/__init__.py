"""Ray's dashboard, Job API and state API: the one client of them."""
