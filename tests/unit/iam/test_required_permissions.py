"""The permissions that a job needs, from its declarations and its arguments."""

from __future__ import annotations

import pytest

from iam.errors import MalformedResource
from iam.policy.required_permissions import Operation, needs_of, uris, values_of
from iam.policy.resource import bucket, obj, objects_under

READ, LIST, CREATE = Operation.READ, Operation.LIST, Operation.CREATE
OVERWRITE, DELETE, LOOK_UP = Operation.OVERWRITE, Operation.DELETE, Operation.GET_BUCKET
WRITE_ALL = [LIST, READ, CREATE, DELETE]
Row = tuple[str, Operation, str]


def rows(reads: list[str], writes: list[str], arguments: list[str]) -> list[Row]:
    return [(need.uri, need.operation, need.because) for need in needs_of(reads, writes, arguments)[0]]


def test_permissions_of_the_operations() -> None:
    assert {o.name: o.permissions for o in Operation} == {
        "READ": ("storage.objects.get",),
        "LIST": ("storage.objects.list",),
        "CREATE": ("storage.objects.create",),
        "OVERWRITE": ("storage.objects.create", "storage.objects.delete"),
        "DELETE": ("storage.objects.delete",),
        "GET_BUCKET": ("storage.buckets.get",),
    }


def test_one_object_read_and_one_written() -> None:
    [read, write] = needs_of(["gs://lab-data/x.parquet"], ["gs://lab-models/m.pt"], [])[0]
    assert (read.bucket, read.object_name, read.operation) == ("lab-data", "x.parquet", READ)
    assert read.because == 'reads = "gs://lab-data/x.parquet"'
    assert read.resource == obj("lab-data", "x.parquet")
    assert (write.operation, write.permissions) == (
        OVERWRITE,
        ("storage.objects.create", "storage.objects.delete"),
    )


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("gs://lab-data/dir/", "dir/"),
        ("gs://lab-data/dir/*", "dir/"),
        ("gs://lab-data/dir/part-*", "dir/part-"),
        ("gs://lab-data/dir/*/x.csv", "dir/"),
        ("gs://lab-data/", ""),
        ("gs://lab-data", ""),
    ],
)
def test_a_prefix_is_listed_and_read_and_written_as_a_whole(uri: str, prefix: str) -> None:
    needs = needs_of([uri], [], [])[0]
    assert [n.operation for n in needs] == [LIST, READ]
    assert {n.object_name for n in needs} == {prefix}
    assert [n.resource for n in needs] == [bucket("lab-data"), objects_under("lab-data", prefix)]
    assert [n.operation for n in needs_of([], [uri], [])[0]] == WRITE_ALL


@pytest.mark.parametrize("name", ["--read", "read", "-read"])
@pytest.mark.parametrize("arguments", [["--read", "gs://closed-bucket/x"], ["--read=gs://closed-bucket/x"]])
def test_the_name_of_an_argument(name: str, arguments: list[str]) -> None:
    flag = name if name.startswith("-") else "--read"
    assert rows([name], [], arguments) == [
        ("gs://closed-bucket/x", READ, f"{flag} gs://closed-bucket/x (reads)"),
    ]


@pytest.mark.parametrize("name", ["--storage-path", "--storage_path", "storage_path", "storage-path"])
@pytest.mark.parametrize("flag", ["--storage-path", "--storage_path"])
@pytest.mark.parametrize("value", ["gs://lab-models/runs", "gs://lab-models/runs/"])
def test_a_storage_path_is_a_folder_that_is_listed_read_created_and_deleted(
    name: str, flag: str, value: str
) -> None:
    needs, remarks = needs_of([], [name], [flag, value])
    assert [n.operation for n in needs] == WRITE_ALL
    assert {(n.uri, n.object_name) for n in needs} == {("gs://lab-models/runs/", "runs/")}
    assert {n.because for n in needs} == {f"--{name.lstrip('-')} {value} (writes)"}
    assert remarks == []


@pytest.mark.parametrize(
    ("entry", "arguments", "uris"),
    [
        ("--storage-path", ["--storage-path", "gs://lab-models/exp"], ["gs://lab-models/exp/"]),
        ("--out", ["--out=gs://lab-models/pq"], ["gs://lab-models/pq/"]),
        ("--out=gs://lab-models/pq", [], ["gs://lab-models/pq/"]),
        (
            "--out",
            ["--out", "gs://lab-models/a", "gs://lab-data/b/"],
            ["gs://lab-models/a/", "gs://lab-data/b/"],
        ),
        ("gs://lab-models/pq", [], ["gs://lab-models/pq/"]),
        ("gs://lab-models/runs/*", [], ["gs://lab-models/runs/*"]),
        ("gs://lab-models", [], ["gs://lab-models"]),
    ],
)
def test_where_a_folder_is_made_the_bucket_is_looked_up(
    entry: str, arguments: list[str], uris: list[str]
) -> None:
    needs, remarks = needs_of([], [entry], arguments, {entry: "x.py:3 makes a folder"})
    assert [(n.uri, n.operation) for n in needs] == [(u, o) for u in uris for o in [*WRITE_ALL, LOOK_UP]]
    looked_up = [n for n in needs if n.operation is LOOK_UP]
    assert {n.because for n in looked_up} == {"x.py:3 makes a folder"}
    assert [n.resource for n in looked_up] == [bucket(n.bucket) for n in looked_up]
    assert remarks == []


@pytest.mark.parametrize("uri", ["/tmp/x", "s3://b/x"])
def test_a_folder_that_is_not_on_cloud_storage_is_no_need(uri: str) -> None:
    assert needs_of([], ["--out"], ["--out", uri], {"--out": "x.py:3 makes a folder"}) == ([], [])


@pytest.mark.parametrize(
    ("uri", "looked_up"),
    [
        ("gs://lab-data", True),
        ("gs://lab-data/", True),
        ("gs://lab-data/*", False),
        ("gs://lab-data/dir", False),
        ("gs://lab-data/dir/", False),
    ],
)
def test_of_reading_only_a_whole_bucket_is_looked_up(uri: str, looked_up: bool) -> None:
    needs, _ = needs_of(["--data"], [], ["--data", uri], {"--data": "x.py:3 reads it"})
    assert (LOOK_UP in [n.operation for n in needs]) is looked_up
    assert LOOK_UP not in [n.operation for n in needs_of(["--data"], [], ["--data", uri])[0]]


def test_an_argument_that_is_absent_is_remarked_on() -> None:
    needs, remarks = needs_of(["--read"], ["output"], ["--other", "1"])
    assert needs == []
    assert remarks == [
        "--read (in reads) is not among the job's arguments, so its default was not checked.",
        "--output (in writes) is not among the job's arguments, so its default was not checked.",
    ]


def test_an_argument_without_a_value_is_as_absent() -> None:
    for arguments in (["--read"], ["--read", "--smoke-test"]):
        needs, remarks = needs_of(["--read"], [], arguments)
        assert (needs, len(remarks)) == ([], 1)


@pytest.mark.parametrize("value", ["/tmp/x", "./x", "x.csv", "s3://b/x", "https://example.com/x", "", "~/x"])
def test_what_is_not_on_cloud_storage_is_no_need(value: str) -> None:
    assert needs_of(["--read"], [], ["--read", value]) == ([], [])
    assert needs_of([value or "./"], [], []) == ([], [])


def test_several_values() -> None:
    arguments = ["--read", "gs://lab-data/a", "gs://lab-data/b", "word", "--read=gs://lab-data/c"]
    assert values_of("read", arguments) == ["gs://lab-data/a", "gs://lab-data/b", "gs://lab-data/c"]
    assert [row[0] for row in rows(["--read"], [], arguments)] == [f"gs://lab-data/{x}" for x in "abc"]


def test_undeclared_uris_in_the_arguments_are_noticed() -> None:
    noticed = "in the job's arguments"
    assert rows([], [], ["gs://lab-data/x", "--more=gs://lab-data/dir/", "--epochs", "3"]) == [
        ("gs://lab-data/x", READ, noticed),
        ("gs://lab-data/dir/", LIST, noticed),
        ("gs://lab-data/dir/", READ, noticed),
    ]
    assert rows([], [], ['--config={"data": "gs://lab-data/x"}']) == [("gs://lab-data/x", READ, noticed)]


@pytest.mark.parametrize(
    ("reads", "writes", "arguments"),
    [
        (["--read"], [], ["--read", "gs://lab-data/x"]),
        ([], ["--out"], ["--out=gs://lab-data/x"]),
        ([], ["storage_path"], ["--storage-path", "gs://lab-data/runs"]),
        (["gs://lab-data/"], [], ["--read", "gs://lab-data/x"]),
        ([], ["gs://lab-data/out/"], ["--out", "gs://lab-data/out/run1/"]),
    ],
)
def test_what_is_declared_is_not_noticed_again(
    reads: list[str], writes: list[str], arguments: list[str]
) -> None:
    assert all(because != "in the job's arguments" for _, _, because in rows(reads, writes, arguments))


def test_a_neighbour_of_what_is_declared_is_noticed() -> None:
    assert [row[0] for row in rows(["gs://lab-data/dir/"], [], ["gs://lab-data/dir2/x"])][
        -1
    ] == "gs://lab-data/dir2/x"


def test_the_same_need_twice_is_one_need_with_both_reasons() -> None:
    needs = needs_of(["gs://lab-data/x", "--read", "gs://lab-data/x"], [], ["--read", "gs://lab-data/x"])[0]
    assert [(n.operation, n.because) for n in needs] == [
        (READ, 'reads = "gs://lab-data/x"; --read gs://lab-data/x (reads)')
    ]
    both = needs_of(["gs://lab-data/dir/*"], ["gs://lab-data/dir/"], [])[0]
    assert [n.operation for n in both] == [LIST, READ, CREATE, DELETE]
    assert both[0].because == 'reads = "gs://lab-data/dir/*"; writes = "gs://lab-data/dir/"'


@pytest.mark.parametrize(
    ("reads", "arguments", "uri"),
    [
        (["gs://Lab/x"], [], "gs://Lab/x"),
        (["gs:/lab-data/x"], [], "gs:/lab-data/x"),
        (["GS://Lab/x"], [], "gs://Lab/x"),
        ([], ["--read=gs://lab-data/x,gs://Lab/y"], "gs://Lab/y"),
        (["--read"], ["--read", "gs://Lab/x"], "gs://Lab/x"),
        ([], ["--read", "gs://Lab/x"], "gs://Lab/x"),
    ],
)
def test_a_malformed_uri_is_an_error(reads: list[str], arguments: list[str], uri: str) -> None:
    with pytest.raises(MalformedResource) as caught:
        needs_of(reads, [], arguments)
    assert caught.value.message.startswith(f'Invalid Cloud Storage URI "{uri}": ')
    assert caught.value.fix == "Write gs://BUCKET/OBJECT, gs://BUCKET/FOLDER/ or gs://BUCKET."


def test_a_malformed_uri_inside_a_longer_text_is_only_remarked_on() -> None:
    needs, remarks = needs_of([], [], ["--help=write gs://B/x here"])
    assert needs == []
    assert remarks == [
        'The argument "--help=write gs://B/x here" was not checked: Invalid Cloud Storage URI "gs://B/x": '
        'the bucket name "B" may contain only lowercase letters, digits, "-", "_" and ".".'
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gs://a-b/x,gs://c-d/y", ["gs://a-b/x", "gs://c-d/y"]),
        ("gs://a-b/x , GS://c-d/y; gcs://e-f/z", ["gs://a-b/x", "gs://c-d/y", "gs://e-f/z"]),
        ("gcs://a-b/with, a comma", ["gs://a-b/with, a comma"]),
        ('{"train": "gs://a-b/x", "test": "GCS://c-d/y"}', ["gs://a-b/x", "gs://c-d/y"]),
        ("['gs://a-b/x','gs://c-d/y']", ["gs://a-b/x", "gs://c-d/y"]),
        ("data.path=gs://a-b/x", ["gs://a-b/x"]),
        ("gs://anonymous@a-b/x", ["gs://a-b/x"]),
        ("settings://a-b/x", []),
    ],
)
def test_every_uri_in_an_argument_counts(text: str, found: list[str]) -> None:
    assert uris(text) == found
    assert [need.uri for need in needs_of([], [], ["--data", text])[0]] == found
    if found:
        assert [need.uri for need in needs_of(["--data"], [], ["--data", text])[0]] == found
        assert [need.uri for need in needs_of([], [], [], variables={"DATA": text})[0]] == found


def test_a_variable_may_be_declared() -> None:
    needs, remarks = needs_of([], ["OUTPUT"], [], variables={"OUTPUT": "gs://a-b/out/"})
    assert ([need.operation for need in needs], remarks) == ([LIST, READ, CREATE, DELETE], [])


@pytest.mark.parametrize(
    ("reads", "arguments", "there"),
    [
        (["gs://a-b/x"], [], True),
        ([], ["gs://a-b/x"], None),
        ([], ["--input=gs://a-b/x"], None),
        ([], ["--output", "gs://a-b/x"], False),
        ([], ["--model-dir=gs://a-b/x"], False),
    ],
)
def test_what_must_exist_before(reads: list[str], arguments: list[str], there: bool | None) -> None:
    assert [need.there for need in needs_of(reads, [], arguments)[0]] == [there]
