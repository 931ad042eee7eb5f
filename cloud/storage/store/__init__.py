"""Where buckets and objects are kept: an SQLite index, and one file for each content."""
