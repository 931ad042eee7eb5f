"""Who may do what in Google Cloud, decided from policies: a pure core, used by the preflight and by the lab's cloud."""
