"""Where each file is copied to, and what is refused before anything is copied."""

from __future__ import annotations

import pytest

from iam.errors import MalformedResource
from iam.policy.principal import wrong_account_id
from iam.policy.resource import wrong_new_bucket
from iam.storage.paths import CloudPath, LocalPath, bucket_of, parse_path, parse_uri
from iam.storage.plan import Destination, planned
from iam.storage.sources import LocalFile, Source
from iam.storage.store import CloudFile
from iam.storage.wildcards import compiled, fixed_prefix


def cloud(name: str, top: str = "", rest: str = "") -> Source:
    file = CloudFile(CloudPath("a-bucket", name), 1, 10)
    return Source(file, top, rest or name.rpartition("/")[2])


def local(name: str, top: str = "", rest: str = "") -> Source:
    return Source(LocalFile(LocalPath(name), 10), top, rest or name.rpartition("/")[2])


def targets(items: list[Source], path: str, is_folder: bool) -> list[str]:
    return [str(copy.target) for copy in planned([items], Destination(parse_path(path), is_folder))]


@pytest.mark.parametrize(
    ("items", "path", "is_folder", "expected"),
    [
        ([local("d/x.csv")], "gs://b-bucket", True, ["gs://b-bucket/x.csv"]),
        ([local("d/x.csv")], "gs://b-bucket/y", False, ["gs://b-bucket/y"]),
        ([local("d/x.csv")], "gs://b-bucket/y", True, ["gs://b-bucket/y/x.csv"]),
        ([local("d/s/x", "d", "s/x")], "gs://b-bucket/y", True, ["gs://b-bucket/y/d/s/x"]),
        ([local("d/s/x", "d", "s/x")], "gs://b-bucket/y", False, ["gs://b-bucket/y/s/x"]),
        ([local("./s/x", ".", "s/x")], "gs://b-bucket/y/", True, ["gs://b-bucket/y/s/x"]),
        ([cloud("p/x"), cloud("p/y")], "out/", True, ["out/x", "out/y"]),
        ([cloud("p/q/x", "p", "q/x"), cloud("p/q/", "p", "q/")], "out", False, ["out/q/x"]),
        ([cloud("p/q/", "p", "q/")], "gs://b-bucket/", True, ["gs://b-bucket/p/q/"]),
        ([cloud("odd/..")], "chosen", False, ["chosen"]),
    ],
)
def test_targets(items: list[Source], path: str, is_folder: bool, expected: list[str]) -> None:
    assert targets(items, path, is_folder) == expected


@pytest.mark.parametrize(
    "rest",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "./x", "..", "a/.", "a\0b"],
)
def test_no_objects_name_leads_out_of_the_folder(rest: str) -> None:
    item = Source(CloudFile(CloudPath("a-bucket", f"p/{rest}"), 1, 10), "p", rest)
    with pytest.raises(MalformedResource, match="is not a valid file name"):
        targets([item], "out", False)


@pytest.mark.parametrize(
    ("items", "path", "is_folder", "message"),
    [
        ([local("a/x"), local("b/x")], "gs://b-bucket/", True, "a/x and b/x would both be copied to"),
        ([cloud("p/a", "p", "a"), cloud("p/a/b", "p", "a/b")], "out", False, "would be a file and a folder"),
        ([local("x"), local("y")], "gs://b-bucket/z", False, "2 files can only be copied to a folder"),
        ([cloud("x")], "gs://a-bucket/x", False, "can't be copied to itself"),
        ([local("x")], "gs://b-bucket/" + "y" * 1025, False, "longer than 1024 bytes"),
        ([local("a\udcffb")], "gs://b-bucket/", True, "the name is not valid UTF-8"),
        ([local("a\nb")], "gs://b-bucket/", True, "contains a line break"),
    ],
)
def test_refused_before_anything_is_copied(
    items: list[Source], path: str, is_folder: bool, message: str
) -> None:
    with pytest.raises(MalformedResource) as refused:
        targets(items, path, is_folder)
    assert message in refused.value.message
    assert refused.value.fix


@pytest.mark.parametrize(
    ("pattern", "name", "matched", "below"),
    [
        ("a/*.csv", "a/x.csv", "a/x.csv", None),
        ("a/*.csv", "a/b/x.csv", None, None),
        ("a/**.csv", "a/b/x.csv", "a/b/x.csv", None),
        ("a/*", "a/b/c/d", "a/b", "/c/d"),
        ("a?c", "abc", "abc", None),
        ("a?c", "a/c", None, None),
        ("x[0-9].t", "x3.t", "x3.t", None),
        ("x[!0-9]", "x3", None, None),
        ("x[!0-9]", "x/", None, None),
        ("a.b*", "aXb", None, None),
        ("[", "[", "[", None),
        ("x[^]", "x^", "x^", None),
    ],
)
def test_wildcards(pattern: str, name: str, matched: str | None, below: str | None) -> None:
    found = compiled(pattern).fullmatch(name)
    assert (found and found["matched"], found and found["below"]) == (matched, below)
    assert not found or name.startswith(fixed_prefix(pattern))


@pytest.mark.parametrize(
    "text", ["", "a\0b", "-", "gs:/b/x", r"gs:\\b\x", "GS://bucket/x", "s3://b/x", "gs://lab-*/x", "gs://B/x"]
)
def test_an_invalid_path_is_refused_with_a_fix(text: str) -> None:
    with pytest.raises(MalformedResource) as refused:
        parse_path(text)
    assert refused.value.message.endswith(".")
    assert refused.value.fix


def test_paths_of_windows_are_files_here() -> None:
    assert parse_path(r"C:\data\x.csv") == LocalPath(r"C:\data\x.csv")
    assert parse_path("file:///tmp/x") == LocalPath("/tmp/x")


@pytest.mark.parametrize("text", ["a-bucket", "gs://a-bucket", "gs://a-bucket/"])
def test_a_bucket_with_or_without_its_scheme(text: str) -> None:
    assert bucket_of(text) == "a-bucket"
    with pytest.raises(MalformedResource, match="is a folder or an object"):
        bucket_of(f"{text.rstrip('/')}/x")


def test_a_pattern_is_invalid() -> None:
    with pytest.raises(MalformedResource, match=r"bad character range"):
        compiled(parse_uri("gs://a-bucket/[z-a]").name)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("abc", True),
        ("a.b-c_d", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("ab", False),
        ("", False),
        ("Abc", False),
        ("-abc", False),
        ("abc-", False),
        ("a..b", False),
        ("10.0.0.1", False),
        ("goog-data", False),
        ("my-google-data", False),
        ("my-g00gle", False),
        ("my-goggles", True),
        ("a/b", False),
        ("ü-bucket", False),
        ("a\x1bb", False),
        ("../x", False),
    ],
)
def test_names_of_new_buckets(name: str, valid: bool) -> None:
    assert (wrong_new_bucket(name) == "") is valid


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("worker", True),
        ("a" * 30, True),
        ("a" * 31, False),
        ("short", False),
        ("1worker", False),
        ("worker-", False),
        ("Worker", False),
        ("wor_ker", False),
        ("wörker", False),
        ("worker\n", False),
    ],
)
def test_ids_of_new_accounts(name: str, valid: bool) -> None:
    assert (wrong_account_id(name) == "") is valid
