"""How measurements are taken: commands, paired runs, statistics, reports."""
