"""Resources with the attributes that conditions read, and gs:// URIs."""

from __future__ import annotations

import pytest

from iam.errors import MalformedResource
from iam.policy.resource import (
    URI_FORMS,
    Resource,
    bucket,
    obj,
    objects_under,
    parse_gs,
    project,
    service_account,
)


def test_the_attributes_that_google_documents() -> None:
    storage = "storage.googleapis.com"
    assert bucket("b") == Resource("projects/_/buckets/b", f"{storage}/Bucket", storage)
    assert obj("b", "d/o") == Resource("projects/_/buckets/b/objects/d/o", f"{storage}/Object", storage)
    assert project("lab").type == "cloudresourcemanager.googleapis.com/Project"


def test_they_are_written_as_people_know_them() -> None:
    assert str(bucket("lab-data")) == "gs://lab-data"
    assert str(obj("lab-data", "a/objects/b")) == "gs://lab-data/a/objects/b"
    assert str(objects_under("lab-data", "runs/")) == "gs://lab-data/runs/*"
    assert str(project("lab")) == "project lab"
    assert service_account("j@lab.iam.gserviceaccount.com", "lab").bucket == ""
    assert obj("lab-data", "x").bucket == bucket("lab-data").bucket == "lab-data"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("gs://lab-data/a/b.parquet", ("lab-data", "a/b.parquet")),
        ("gs://lab-data/a//b ü#?.parquet", ("lab-data", "a//b ü#?.parquet")),
        ("gs://lab-data/", ("lab-data", "")),
        ("gs://lab-data", ("lab-data", "")),
        ("gs://my_bucket.example.com/x", ("my_bucket.example.com", "x")),
        ("gs://google-public-data/x", ("google-public-data", "x")),  # one of Google's own
        (f"gs://{'a' * 63}/x", ("a" * 63, "x")),
        (f"gs://{'a' * 63}.{'b' * 63}/x", (f"{'a' * 63}.{'b' * 63}", "x")),
        (f"gs://abc/{'x' * 1024}", ("abc", "x" * 1024)),
    ],
)
def test_uris(uri: str, expected: tuple[str, str]) -> None:
    assert parse_gs(uri) == expected


CHARACTERS = 'may contain only lowercase letters, digits, "-", "_" and "."'
EDGES = "must start and end with a letter or a digit"
LENGTH = "must have 3 to 63 (222 with dots, 63 between two dots)"


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("s3://lab-data/x", "it does not start with gs://"),
        ("gs:/lab-data/x", "it does not start with gs://"),
        ("", "it does not start with gs://"),
        ("gs://", "the bucket name is missing"),
        ("gs:///x", "the bucket name is missing"),
        ("gs://Lab-Data/x", f'the bucket name "Lab-Data" {CHARACTERS}'),
        ("gs://lab data/x", f'the bucket name "lab data" {CHARACTERS}'),
        ("gs://<bucket>/x", f'the bucket name "<bucket>" {CHARACTERS}'),
        ("gs://ab/x", f'the bucket name "ab" has 2 characters and {LENGTH}'),
        (f"gs://{'a' * 64}/x", f'the bucket name "{"a" * 64}" has 64 characters and {LENGTH}'),
        ("gs://-lab/x", f'the bucket name "-lab" {EDGES}'),
        ("gs://lab./x", f'the bucket name "lab." {EDGES}'),
        ("gs://lab..data/x", 'the bucket name "lab..data" has a dot next to another dot or a hyphen'),
        ("gs://192.168.5.4/x", 'the bucket name "192.168.5.4" looks like an IP address'),
        (f"gs://lab-data/{'ü' * 513}", "the object name is longer than 1024 bytes"),
        ("gs://lab-data/a\nb", "the object name contains a line break"),
        ("gs://lab-data/..", 'an object can\'t be named ".."'),
        (
            "gs://lab-data/.well-known/acme-challenge/x",
            "an object name can't start with .well-known/acme-challenge/",
        ),
    ],
)
def test_a_malformed_uri_is_refused_in_one_sentence(uri: str, wrong: str) -> None:
    with pytest.raises(MalformedResource) as caught:
        parse_gs(uri)
    assert caught.value.message == f'Invalid Cloud Storage URI "{uri}": {wrong}.'
    assert caught.value.fix == URI_FORMS == "Write gs://BUCKET/OBJECT, gs://BUCKET/FOLDER/ or gs://BUCKET."
