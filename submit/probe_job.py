"""Runs on the cluster: asks who it is, and which of the permissions in its argument it has on which bucket."""

import json
import os
import sys
import urllib.parse
import urllib.request

HOST = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
STORAGE = os.environ.get("STORAGE_EMULATOR_HOST", "https://storage.googleapis.com")


def get(url, headers):
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return reply.read().decode()


def account(what):
    path = "/computeMetadata/v1/instance/service-accounts/default/"
    return get(f"http://{HOST}{path}{what}", {"Metadata-Flavor": "Google"})


def held(bucket, permissions, token):
    query = urllib.parse.urlencode([("permissions", permission) for permission in permissions])
    url = f"{STORAGE}/storage/v1/b/{bucket}/iam/testPermissions?{query}"
    return json.loads(get(url, {"Authorization": f"Bearer {token}"})).get("permissions", [])


def main():
    token = json.loads(account("token"))["access_token"]
    asked = json.loads(sys.argv[1])
    found = {bucket: held(bucket, wanted, token) for bucket, wanted in asked.items()}
    print("RESULT " + json.dumps({"principal": f"serviceAccount:{account('email')}", "held": found}))


main()
