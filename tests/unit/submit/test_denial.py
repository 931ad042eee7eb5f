"""Which access a failed job was denied, as its log says; a log may also imitate it."""

from __future__ import annotations

import pytest

from submit.follow.denial import last_denial
from submit.follow.log import Log

AGENT = "service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
URL = "https://storage.googleapis.com/"


def forbidden(request: str, permission: str, kind: str = "object", account: str = AGENT) -> bytes:
    """As google-cloud-storage raises it for the lab's and Google's message."""
    return (
        f"google.api_core.exceptions.Forbidden: 403 {request}: {account} does not have {permission} access to the "
        f"Google Cloud Storage {kind}. Permission '{permission}' denied on resource (or it may not exist).\n"
    ).encode()


@pytest.mark.parametrize(
    ("log", "uri", "command"),
    [
        (
            forbidden(
                f"GET {URL}download/storage/v1/b/closed-bucket/o/a%2Fb%20c?alt=media", "storage.objects.get"
            ),
            "gs://closed-bucket/a/b c",
            f"python -m iam check 'gs://closed-bucket/a/b c' --as serviceAccount:{AGENT}",
        ),
        (
            forbidden(f"GET {URL}storage/v1/b/b-1/o?prefix=x&alt=json", "storage.objects.list", "bucket"),
            "gs://b-1",
            f"python -m iam check gs://b-1 --list --as serviceAccount:{AGENT}",
        ),
        (
            forbidden(f"POST {URL}upload/storage/v1/b/b-1/o?uploadType=multipart", "storage.objects.create"),
            "gs://b-1",
            f"python -m iam check gs://b-1 --write --as serviceAccount:{AGENT}",
        ),
        (
            forbidden(
                f"GET {URL}storage/v1/b/b-1?fields=name", "storage.buckets.get", "bucket", "me@example.com"
            ),
            "gs://b-1",
            "python -m iam check gs://b-1 --look-up --as user:me@example.com",
        ),
    ],
)
def test_the_check_that_shows_the_missing_grant(log: bytes, uri: str, command: str) -> None:
    denial = last_denial(b"Traceback\n" + log)
    assert denial is not None
    assert denial.uri == uri
    assert denial.fix("").splitlines()[0] == command


def test_pyarrow_names_no_url() -> None:
    log = forbidden(
        "google::cloud::Status(PERMISSION_DENIED: Permanent error in Read()", "storage.objects.get"
    )
    denial = last_denial(log)
    assert str(denial) == f"The log ends with a 403: {AGENT} lacks storage.objects.get."
    assert denial is not None
    assert denial.fix("").startswith("to find this")


@pytest.mark.parametrize("name", ["%FF", "%1b%5b2J", "%0a", "..", "x" * 4000, "$(id)%C2%85"])
def test_a_hostile_name_is_not_repeated(name: str) -> None:
    log = forbidden(f"GET {URL}storage/v1/b/b-1/o/{name}?alt=json", "storage.objects.get")
    denial = last_denial(log)
    assert denial is not None
    assert denial.uri == ""


def test_other_logs() -> None:
    assert last_denial(b"403 Forbidden\nx does not have storage.objects.get access to my bucket\n") is None
    assert last_denial(b"") is None


def test_a_log_from_the_job_api_is_searched_too() -> None:
    """From there, it comes as text, for example if the driver's node does not answer."""
    log = Log(lambda _: None)
    log.take_text(forbidden(f"GET {URL}storage/v1/b/b-1/o/x?alt=json", "storage.objects.get").decode())
    assert last_denial(log.last) is not None
