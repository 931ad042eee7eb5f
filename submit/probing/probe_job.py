"""Run on the cluster: print the job's principal and which permissions it holds, per bucket."""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

HOST = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
STORAGE = os.environ.get("STORAGE_EMULATOR_HOST", "https://storage.googleapis.com")


def get(url, headers):
    """The body of a GET request, as text. Times out after 20 seconds."""
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return reply.read().decode()


def account(field):
    """A field of the default service account, from the metadata server: "email" or "token"."""
    path = "/computeMetadata/v1/instance/service-accounts/default/"
    return get(f"http://{HOST}{path}{field}", {"Metadata-Flavor": "Google"})


def held(bucket, permissions, token):
    """The permissions that the caller holds on the bucket (buckets.testIamPermissions). None if that is refused."""
    query = urllib.parse.urlencode([("permissions", permission) for permission in permissions])
    url = f"{STORAGE}/storage/v1/b/{bucket}/iam/testPermissions?{query}"
    try:
        return json.loads(get(url, {"Authorization": f"Bearer {token}"})).get("permissions", [])
    except urllib.error.HTTPError as fault:
        if fault.code != 403:
            raise
        return None  # in the lab: an import left a part of the project unknown


def main():
    """Print a RESULT line. The argument is JSON: {bucket: [permission, ...]}."""
    token = json.loads(account("token"))["access_token"]
    required = json.loads(sys.argv[1])
    found = {bucket: held(bucket, permissions, token) for bucket, permissions in required.items()}
    found = {bucket: permissions for bucket, permissions in found.items() if permissions is not None}
    print("RESULT " + json.dumps({"principal": f"serviceAccount:{account('email')}", "held": found}))


main()
