"""Who the jobs of the processes cluster run as: variables that lead unmodified clients to the lab's cloud.

In Docker Google's names reach the lab; among processes the clients' own variables do. The storage clients
send no token then, so the port that they use, `emulator`, stands for the identity of jobs.
"""

from __future__ import annotations

from collections.abc import Mapping

from cluster.processes.record import Ports

LOOPBACK = "127.0.0.1"
# The person's own credentials and projects, and what would lead a client past the lab.
PERSONAL = ("CLOUDSDK_", "GOOGLE_", "GCLOUD_", "GCE_METADATA_", "GCSFS_")
PERSONAL_NAMES = frozenset(
    {"STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT", "NO_GCE_CHECK", "BOTO_CONFIG"}
)
NO_PROXY = ("no_proxy", "NO_PROXY")


def is_personal(name: str) -> bool:
    """Whether a variable is the caller's own identity: a job must not run with a person's credentials."""
    return name.startswith(PERSONAL) or name in PERSONAL_NAMES


def variables(temp: str, doors: Ports, caller: Mapping[str, str]) -> dict[str, str]:
    """What a node gets, so that google-auth, its clients, gcsfs and pyarrow use the lab as the job's identity.

    The last two hide the login of `gcloud` in the person's home, which clients prefer to the metadata server:
    pyarrow would send it to Google for a token, even though it asks the lab for the object.
    """
    storage = f"http://{LOOPBACK}:{doors.emulator}"
    metadata = f"{LOOPBACK}:{doors.metadata}"
    return {
        "STORAGE_EMULATOR_HOST": storage,  # google-cloud-storage, gcsfs
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": storage,  # pyarrow
        "GCE_METADATA_HOST": metadata,
        "GCE_METADATA_IP": metadata,  # google-auth looks there first
        "GCE_METADATA_ROOT": metadata,  # pyarrow's C++
        # gcsfs would ask over gRPC for the bucket's type, and wait 60 s where nobody answers.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        **dict.fromkeys(NO_PROXY, without_proxy(caller)),
        "CLOUDSDK_CONFIG": f"{temp}/home/gcloud",  # google-auth
        "GOOGLE_GCLOUD_ADC_PATH_OVERRIDE": f"{temp}/home/gcloud/none.json",  # pyarrow's C++
    }


def without_proxy(caller: Mapping[str, str]) -> str:
    """The caller's list of hosts that no proxy is asked for, with loopback in it."""
    listed = next((caller[name] for name in NO_PROXY if caller.get(name)), "")
    return listed if listed.strip() == "*" else ",".join(filter(None, [listed, "localhost", LOOPBACK]))
