"""Who may do what in Google Cloud, decided from policies. The preflight and the lab's cloud share this core."""
