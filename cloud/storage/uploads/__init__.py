"""Uploads, in one request (media, multipart) or several (resumable).

https://cloud.google.com/storage/docs/json_api/v1/objects/insert
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""
