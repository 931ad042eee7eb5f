"""The permissions that pyarrow's file system needs on a bucket: on the lab's storage, and according to the check.

Ray's own writers call create_dir, and the other calls tested here. (open_input_file holds the interpreter's lock
while it waits for the lab, which runs in this process, so it is not called.)
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iam.policy.required_permissions import needs_of
from tests.labcloud import TRAINER
from tests.unit.iam.conftest import Lab

FOLDER, READ_BUCKET = {"--out": "x.py:1 makes a folder"}, {"--data": "x.py:1 reads a bucket"}
ROLES = [
    "objectUser",
    "objectAdmin",
    "objectUser legacyBucketReader",
    "legacyBucketOwner legacyObjectReader",
    "admin",
]


def files(lab: Lab) -> Any:
    """Return pyarrow's file system on the lab's storage, as the job."""
    from pyarrow import fs

    host = lab.cloud.emulator.removeprefix("http://")
    limit = datetime.timedelta(minutes=10)
    return fs.GcsFileSystem(anonymous=True, scheme="http", endpoint_override=host, retry_time_limit=limit)


def may(act: Callable[[], object]) -> bool:
    try:
        act()
    except PermissionError:
        return False
    return True


@pytest.fixture
def job(lab: Lab) -> str:
    """Jobs run as the custom account, which starts without any role."""
    lab.world.job = TRAINER
    return TRAINER


def give(lab: Lab, bucket: str, roles: str) -> None:
    held = lab.world.buckets[bucket]
    bindings = [{"role": f"roles/storage.{role}", "members": [TRAINER]} for role in roles.split()]
    lab.world.set_policy(held, {"version": 1, "bindings": [*held.policy["bindings"], *bindings]})


def checked(lab: Lab, uri: str, *doing: str) -> bool:
    return lab.iam("check", uri, *(f"--{one}" for one in doing), f"--as={TRAINER}").code == 0


@pytest.mark.parametrize("roles", ROLES)
def test_making_a_folder_takes_the_bucket(lab: Lab, job: str, roles: str) -> None:
    give(lab, "lab-models", roles)
    name = roles.replace(" ", "-")
    made = may(lambda: files(lab).create_dir(f"lab-models/{name}/exp/small"))
    assert made is checked(lab, f"gs://lab-models/{name}/", "list", "read", "write", "delete", "look-up")
    assert made is (roles not in ("objectUser", "objectAdmin"))


def test_what_else_a_writer_does_takes_the_objects_alone(lab: Lab, job: str) -> None:
    """A job that creates no folder needs no permission on the bucket itself."""
    import pyarrow as pa
    from pyarrow import fs, parquet

    give(lab, "lab-models", "objectUser")
    there, table = files(lab), pa.table({"x": [1]})

    def write() -> None:
        with there.open_output_stream("lab-models/alone/deep/x") as file:
            file.write(b"x")

    acts: list[Callable[[], object]] = [
        write,
        write,  # again, to overwrite it
        lambda: parquet.write_table(table, "lab-models/alone/t.parquet", filesystem=there),
        lambda: parquet.read_table("lab-models/alone/t.parquet", filesystem=there),
        lambda: there.get_file_info(["lab-models/alone", "lab-models/alone/deep/x", "lab-models/none"]),
        lambda: there.get_file_info(fs.FileSelector("lab-models", recursive=True)),
        lambda: there.copy_file("lab-models/alone/deep/x", "lab-models/alone/deep/y"),
        lambda: there.move("lab-models/alone/deep/y", "lab-models/alone/deep/z"),
        lambda: there.delete_file("lab-models/alone/deep/z"),
        lambda: there.delete_dir_contents("lab-models/alone"),
    ]
    assert [may(act) for act in acts] == [True] * len(acts)
    assert not may(lambda: there.create_dir("lab-models/alone/made"))
    assert not may(lambda: parquet.write_to_dataset(table, "lab-models/set", filesystem=there))


@pytest.mark.parametrize("roles", ["objectViewer", "objectViewer legacyBucketReader"])
def test_of_reading_only_a_whole_bucket_takes_it(lab: Lab, job: str, roles: str, tmp_path: Path) -> None:
    from pyarrow import fs

    give(lab, "lab-data", roles)
    there = files(lab)
    fs.copy_files("lab-data/hello.txt", str(tmp_path / "hello.txt"), source_filesystem=there)
    assert (tmp_path / "hello.txt").read_text().strip() == "hello from lab-data"
    assert may(lambda: there.get_file_info("lab-data/dir"))
    assert may(lambda: there.get_file_info("lab-data")) is checked(
        lab, "gs://lab-data", "list", "read", "look-up"
    )
    assert checked(lab, "gs://lab-data", "list", "read")


@pytest.mark.parametrize(
    ("held", "granted"),
    [
        ("objectUser", "legacyBucketReader"),
        ("objectViewer", "legacyBucketWriter"),  # the one role with all missing permissions
        ("", "legacyBucketReader objectUser"),
    ],
)
def test_the_printed_grants_are_enough(lab: Lab, job: str, held: str, granted: str) -> None:
    give(lab, "closed-bucket", held)
    folder = f"closed-bucket/exp-{held}/small"
    assert not may(lambda: files(lab).create_dir(folder))
    doing = ("--list", "--read", "--write", "--delete", "--look-up", f"--as={TRAINER}")
    told = lab.iam("check", "gs://closed-bucket/exp/", *doing)
    commands = [line.split("python -m iam ")[1] for line in told.out.splitlines() if "python -m iam " in line]
    assert sorted(one.split("roles/storage.")[1].split()[0] for one in commands) == granted.split()
    for command in commands:
        assert lab.iam(*command.split()).code == 0
    assert lab.iam("check", "gs://closed-bucket/exp/", *doing).code == 0
    assert may(lambda: files(lab).create_dir(folder))


def test_what_is_provisioned_is_enough(lab: Lab) -> None:
    lab.iam(
        "provision",
        "--yes",
        "--service-account=trainer",
        "--data-bucket=lab-data",
        "--model-bucket=lab-models",
    )
    lab.world.job = TRAINER
    assert may(lambda: files(lab).create_dir("lab-models/provisioned/small"))
    assert may(lambda: files(lab).get_file_info("lab-data/dir"))
    assert not may(lambda: files(lab).get_file_info("lab-data"))  # a reader must name a folder, or lab-data/*


def test_the_needs_say_what_was_seen_here() -> None:
    written = needs_of([], ["--out"], ["--out", "gs://lab-models/exp"], FOLDER)[0]
    read = needs_of(["--data"], [], ["--data", "gs://lab-data"], READ_BUCKET)[0]
    for needs in (written, read):
        assert "storage.buckets.get" in {one for need in needs for one in need.permissions}
