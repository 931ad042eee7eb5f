"""`python -m iam cp`, `ls`, `cat` and `rm` on the lab's storage, through Google's client."""

from __future__ import annotations

import io
import itertools
import os
import re
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iam.storage import transfer
from iam.storage.parallel import for_each
from iam.storage.progress import CopyProgress, CountedFile
from raydock.terminal.status_line import ERASE, StatusLine
from tests.labcloud import YOU
from tests.unit.iam.conftest import CommandResult, Lab

MIB = 2**20
NUMBERS = itertools.count()
ALICE = "user:alice@example.com"


@pytest.fixture
def bucket(lab: Lab) -> Iterator[str]:
    """A new bucket."""
    name = f"a-bucket-{next(NUMBERS)}"
    assert lab.iam("bucket", "add", name).code == 0
    yield name
    lab.world.user = YOU
    assert lab.iam("bucket", "remove", name, "--force", "--yes").code == 0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    found = tmp_path / "here"
    found.mkdir()
    monkeypatch.chdir(found)
    return found


def put(lab: Lab, bucket: str, name: str, text: str = "text") -> None:
    lab.client().bucket(bucket).blob(name).upload_from_string(text)


def names(lab: Lab, bucket: str) -> list[str]:
    return [blob.name for blob in lab.client().list_blobs(bucket)]


def test_a_large_file_there_and_back_in_constant_memory(lab: Lab, bucket: str, folder: Path) -> None:
    size = 40 * MIB
    with (folder / "big").open("wb") as file:
        for number in range(size // MIB):
            file.write(bytes([number]) * MIB)
    assert lab.iam("cp", "big", f"gs://{bucket}/").code == 0
    blob = lab.client().bucket(bucket).get_blob("big")
    assert (blob.size, blob.content_type) == (size, "application/octet-stream")
    tracemalloc.start()
    assert lab.iam("cp", f"gs://{bucket}/big", "back").code == 0
    assert tracemalloc.get_traced_memory()[1] < size / 2
    tracemalloc.stop()
    assert (folder / "back").read_bytes() == (folder / "big").read_bytes()
    assert sorted(os.listdir(folder)) == ["back", "big"]


def test_a_folder_there_elsewhere_and_back(lab: Lab, bucket: str, folder: Path) -> None:
    for name in ("d/a", "d/s/b", "d/-c", "d/ü \x1b[31m"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "d/link").symlink_to("a")
    (folder / "d/loop").symlink_to(".")
    os.mkfifo(folder / "d/pipe")
    assert lab.iam("cp", "-r", "d", f"gs://{bucket}/new").out == (
        f"Copied 5 files (25 B) to gs://{bucket}/new.\n"
    )
    assert lab.iam("cp", "-r", f"gs://{bucket}/new", f"gs://{bucket}/other/").code == 0
    assert lab.iam("cp", "-r", f"gs://{bucket}/other/new", "back").code == 0
    for name in ("a", "s/b", "-c", "ü \x1b[31m"):
        assert (folder / "back" / name).read_text() == f"d/{name}"
    assert "\x1b" not in lab.iam("ls", "-r", f"gs://{bucket}").out


def test_what_exists_is_kept_with_no_clobber(lab: Lab, bucket: str, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).write_text(f"new {name}")
    put(lab, bucket, "a", "old")
    told = lab.iam("cp", "-n", "a", "b", f"gs://{bucket}/")
    assert told.out == f"Copied 1 file (5 B) to gs://{bucket}, 1 file already existed.\n"
    assert lab.iam("cat", f"gs://{bucket}/*").out == "oldnew b"
    assert lab.iam("cp", "-n", f"gs://{bucket}/*", ".").out.startswith("Copied 0 files")
    assert (folder / "a").read_text() == "new a"


def test_a_failed_download_leaves_nothing(
    lab: Lab, bucket: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lab, bucket, "x", "new")
    (folder / "x").write_text("old")
    fetch = transfer.fetch

    def broken(*given: Any) -> None:
        fetch(*given)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfer, "fetch", broken)
    told = lab.iam("cp", f"gs://{bucket}/x", "x")
    text = (
        "iam: Could not write x: No space left on device.\n   → free disk space, then run the command again\n"
    )
    assert told == CommandResult(3, "", text)
    assert (os.listdir(folder), (folder / "x").read_text()) == (["x"], "old")


def test_a_broken_connection_is_continued_where_it_broke(
    lab: Lab, bucket: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from requests.exceptions import ChunkedEncodingError

    text = "0123456789" * (MIB // 5)
    put(lab, bucket, "x", text)
    written, write = [0], CountedFile.write

    def broken(self: CountedFile, data: bytes) -> int:
        before, written[0] = written[0], written[0] + len(data)
        if before < MIB <= written[0]:
            written[0] = MIB
            raise ChunkedEncodingError("broken")
        return write(self, data)

    monkeypatch.setattr(CountedFile, "write", broken)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert lab.iam("cp", f"gs://{bucket}/x", ".").code == 0
    assert (folder / "x").read_text() == text
    assert MIB < written[0] < len(text) + MIB, "it did not start again"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("x.csv", "text/csv"), ("x.csv.gz", "application/gzip"), ("x", "application/octet-stream")],
)
def test_media_types(name: str, kind: str) -> None:
    assert transfer.content_type(name) == kind


def test_an_object_that_changes_meanwhile_is_not_mixed(
    lab: Lab, bucket: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lab, bucket, "x", "one")
    fetch = transfer.fetch

    def late(*given: Any) -> None:
        put(lab, bucket, "x", "two")
        fetch(*given)

    monkeypatch.setattr(transfer, "fetch", late)
    told = lab.iam("cp", f"gs://{bucket}/x", ".")
    text = f"iam: gs://{bucket}/x changed while it was being copied.\n   → run the command again\n"
    assert told == CommandResult(4, "", text)
    assert os.listdir(folder) == []


def test_an_expired_token_is_renewed(
    lab: Lab, bucket: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raydock.gcp.clouds import LabCloud

    (folder / "x").write_text("text")
    lives = [-1.0, 60.0]  # of the first token and the next one, in seconds

    async def token(*_: object) -> str:
        return lab.cloud.token(YOU, lives.pop(0))

    with monkeypatch.context() as patch:
        patch.setattr(LabCloud, "token", token)
        assert lab.iam("cp", "x", f"gs://{bucket}/").code == 0
    assert lives == []


def test_the_caller_gets_the_real_403(lab: Lab, bucket: str, folder: Path) -> None:
    (folder / "x").write_text("text")
    put(lab, bucket, "y")
    grant = f"python -m iam grant gs://{bucket} --role=roles/storage.{{}} --member={ALICE}\n"
    lab.world.user = ALICE
    lacks = f"iam: {ALICE} lacks storage.objects.{{}} on gs://{bucket}/{{}}, so {{}}.\n"
    told = lab.iam("cp", "x", f"gs://{bucket}/x")
    fix = "   → a project owner can grant it: "
    assert told.err == (
        lacks.format("create", "x", f"gs://{bucket}/x was not written") + fix + grant.format("objectUser")
    )
    told = lab.iam("cp", f"gs://{bucket}/y", ".")
    assert told.code == 3
    assert told.err == lacks.format("get", "y", "nothing was done") + fix + grant.format("objectViewer")


def test_how_far_it_got_before_an_error(
    lab: Lab, bucket: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (folder / name).write_text(name)
    upload = transfer.Transfer.upload

    def removed(self: transfer.Transfer, source: Any, target: Any) -> None:
        if target.name == "b":
            (folder / "b").unlink()
        upload(self, source, target)

    monkeypatch.setattr(transfer.Transfer, "upload", removed)
    told = lab.iam("cp", "a", "b", "c", f"gs://{bucket}/")
    assert told.code == 3
    start = "iam: Could not read b: No such file or directory. "
    assert re.fullmatch(
        start + r"[012] of 3 files were copied; add -n to copy the rest\.\n   → ls -l b\n", told.err
    )
    assert "b" not in names(lab, bucket)


def test_an_error_ends_the_transfers_that_have_begun() -> None:
    begun, progress = threading.Event(), CopyProgress(2, 2, StatusLine(io.StringIO()))

    def act(item: str) -> None:
        if item == "fails":
            assert begun.wait(60)
            raise ValueError(item)
        begun.set()
        while True:  # a long transfer
            progress.advance(0)

    with pytest.raises(ValueError, match="fails"):
        for_each(act, ["long", "fails"], progress.stop)


def test_the_progress_is_one_line_of_a_terminal_and_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    progress = CopyProgress(2, 3 * MIB, StatusLine(terminal))
    with progress.line():
        progress.advance(MIB)
        monkeypatch.setattr("iam.storage.progress.INTERVAL", 0)
        progress.file_done()
    lines = [f"  {done} of 2 files, 1.0 MiB of 3.0 MiB" for done in (0, 1)]
    assert terminal.getvalue() == ERASE.join(["", *lines, ""])


def test_links_in_the_destination_do_not_lead_out(lab: Lab, bucket: str, folder: Path) -> None:
    put(lab, bucket, "p/out/x")
    (folder / "elsewhere").mkdir()
    (folder / "dest/p").mkdir(parents=True)
    (folder / "dest/p/out").symlink_to(folder / "elsewhere")
    told = lab.iam("cp", "-r", f"gs://{bucket}/p", "dest")
    assert (told.code, os.listdir(folder / "elsewhere")) == (3, [])
    assert told.err.startswith("iam: dest/p/out/x leads out of dest through a link.")


def test_hostile_names_of_objects_are_refused(lab: Lab, bucket: str, folder: Path) -> None:
    put(lab, bucket, "p/../../x")
    told = lab.iam("cp", "-r", f"gs://{bucket}/p", "dest")
    assert told.code == 2
    assert "is not a valid file name" in told.err
    assert not (folder.parent / "x").exists()
    assert lab.iam("cp", f"gs://{bucket}/p/../../x", "chosen").code == 0


def test_devices_are_not_replaced(lab: Lab) -> None:
    told = lab.iam("cp", "gs://lab-data/hello.txt", "/dev/null")
    assert told.code == 3
    assert told.err.startswith("iam: /dev/null is not a regular file.")


def test_removing_asks_for_several(lab: Lab, bucket: str) -> None:
    for name in ("d/a", "d/b", "c"):
        put(lab, bucket, name)
    assert lab.iam("rm", f"gs://{bucket}/c").out == f"Removed gs://{bucket}/c.\n"
    told = lab.iam("rm", "-r", f"gs://{bucket}/d")
    assert told == CommandResult(
        2, "", "iam: Nothing was changed: there is no terminal to ask for confirmation.\n   → add --yes\n"
    )
    assert lab.iam("rm", "-r", f"gs://{bucket}/d", "--yes").out == "Removed 2 objects.\n"
    assert lab.iam("rm", f"gs://{bucket}").code == 2
    assert names(lab, bucket) == []


def test_lists_of_folders_patterns_and_objects(lab: Lab, bucket: str) -> None:
    for name in ("a", "d/b", "d/e/c"):
        put(lab, bucket, name)
    uri = f"gs://{bucket}"

    def listed(*words: str) -> list[str]:
        return [one.removeprefix(uri) for one in lab.iam("ls", *words).out.splitlines()]

    assert listed(uri) == ["/d/", "/a"]
    assert listed(f"{uri}/d") == ["/d/e/", "/d/b"]
    assert listed(f"{uri}/*") == ["/a", "/d/"]
    assert listed(f"{uri}/**") == ["/a", "/d/b", "/d/e/c"]
    assert listed("-r", uri) == ["/a", "/d/b", "/d/e/c"]
    assert listed(f"{uri}/a") == ["/a"]
    assert f"{uri}/" in lab.iam("ls").out


ERRORS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "one path": (
        ("cp", "x"),
        2,
        "cp needs a source and a destination.\n   → python -m iam cp SRC DST, such as data.csv gs://BUCKET/",
    ),
    "two files": (("cp", "x", "y"), 2, "Neither the source nor the destination is in Cloud Storage."),
    "no file": (("cp", "nothing", "gs://lab-data/"), 3, "nothing does not exist.\n   → ls ."),
    "a path of Windows": (
        ("cp", r"d\x.csv", "gs://lab-data/"),
        3,
        "d\\x.csv does not exist.\n   → did you mean d/x.csv?",
    ),
    "a folder": (
        ("cp", ".", "gs://lab-data/"),
        2,
        ". is a folder.\n   → python -m iam cp -r . gs://lab-data/",
    ),
    "no object": (
        ("cp", "gs://lab-data/helo.txt", "."),
        3,
        "gs://lab-data/helo.txt does not exist.\n   → did you mean gs://lab-data/hello.txt?",
    ),
    "no bucket": (
        ("ls", "gs://lab-dat"),
        3,
        "gs://lab-dat does not exist.\n   → did you mean gs://lab-data?",
    ),
    "no bucket to write to": (
        ("cp", "-r", ".", "gs://nobody-has-this/"),
        3,
        "gs://nobody-has-this does not exist.\n   → python -m iam bucket add nobody-has-this",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_a_sentence_and_a_command(case: str, lab: Lab) -> None:
    words, code, text = ERRORS[case]
    told = lab.iam(*words)
    assert (told.code, told.out) == (code, "")
    assert told.err.startswith(f"iam: {text}")
