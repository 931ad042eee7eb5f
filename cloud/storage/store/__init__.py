"""Storage on disk: an SQLite index, and one file per blob."""
