"""The lab's Cloud Storage: the JSON API, an SQLite index of buckets and objects, and one file per blob."""
