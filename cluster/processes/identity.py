"""The identity that jobs use in the processes runtime: variables that direct unmodified clients to the lab's cloud.

In Docker, Google's host names resolve to the lab. Here, the clients' own variables redirect them. Storage clients then
send no token, so the lab treats every request to the `emulator` port as coming from the jobs' identity.
"""

from __future__ import annotations

from collections.abc import Mapping

from cluster.processes.record import Ports

LOOPBACK = "127.0.0.1"
# Variables that carry the user's own credentials or project, or that would make a client bypass the lab.
PERSONAL = ("CLOUDSDK_", "GOOGLE_", "GCLOUD_", "GCE_METADATA_", "GCSFS_")
PERSONAL_NAMES = frozenset(
    {"STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT", "NO_GCE_CHECK", "BOTO_CONFIG"}
)
NO_PROXY = ("no_proxy", "NO_PROXY")


def is_personal(name: str) -> bool:
    """Whether a variable carries the user's own identity. Jobs must not run with a user's credentials."""
    return name.startswith(PERSONAL) or name in PERSONAL_NAMES


def variables(temp: str, ports: Ports, caller: Mapping[str, str]) -> dict[str, str]:
    """The variables that make google-auth, Google's clients, gcsfs and pyarrow use the lab and the jobs' identity.

    The last two hide the user's `gcloud` login, which clients would use instead of the metadata server. Even when
    reading an object from the lab, pyarrow would exchange that login for a token from Google.
    """
    storage = f"http://{LOOPBACK}:{ports.emulator}"
    metadata = f"{LOOPBACK}:{ports.metadata}"
    return {
        "STORAGE_EMULATOR_HOST": storage,  # google-cloud-storage, gcsfs
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": storage,  # pyarrow
        "GCE_METADATA_HOST": metadata,
        "GCE_METADATA_IP": metadata,  # google-auth tries this first
        "GCE_METADATA_ROOT": metadata,  # pyarrow's C++
        # Otherwise, gcsfs requests the bucket's type over gRPC and waits 60 s for a response.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        **dict.fromkeys(NO_PROXY, without_proxy(caller)),
        "CLOUDSDK_CONFIG": f"{temp}/home/gcloud",  # google-auth
        "GOOGLE_GCLOUD_ADC_PATH_OVERRIDE": f"{temp}/home/gcloud/none.json",  # pyarrow's C++
    }


def without_proxy(caller: Mapping[str, str]) -> str:
    """The caller's NO_PROXY list, plus loopback addresses."""
    listed = next((caller[name] for name in NO_PROXY if caller.get(name)), "")
    return listed if listed.strip() == "*" else ",".join(filter(None, [listed, "localhost", LOOPBACK]))
