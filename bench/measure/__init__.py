"""The tools that benchmarks use: commands, paired runs, statistics and reports."""
