"""Methods on buckets: https://cloud.google.com/storage/docs/json_api/v1/buckets"""
