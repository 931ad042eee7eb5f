"""Folders, checkpoints and deletions with Ray's, pyarrow's and gcsfs's own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.labcloud import RunningCloud

BUCKET = "lab-data"


@pytest.fixture
def arrow(lab: RunningCloud) -> object:
    from pyarrow.fs import GcsFileSystem

    return GcsFileSystem(
        anonymous=True,
        scheme="http",
        endpoint_override=urlsplit(lab.emulator).netloc,
        project_id="lab-project",
    )


def test_pyarrow_folders_exist_are_listed_and_are_deleted(arrow: object) -> None:
    from pyarrow.fs import FileSelector, FileSystem, FileType

    assert isinstance(arrow, FileSystem)
    arrow.create_dir(f"{BUCKET}/arrow/a/b", recursive=True)
    with arrow.open_output_stream(f"{BUCKET}/arrow/a/b/x") as file:
        file.write(b"12345")
    found = {
        one.path: one.type for one in arrow.get_file_info(FileSelector(f"{BUCKET}/arrow", recursive=True))
    }
    assert found[f"{BUCKET}/arrow/a/b"] is FileType.Directory
    assert found[f"{BUCKET}/arrow/a/b/x"] is FileType.File
    arrow.move(f"{BUCKET}/arrow/a/b/x", f"{BUCKET}/arrow/y")
    arrow.copy_file(f"{BUCKET}/arrow/y", f"{BUCKET}/arrow/z")
    arrow.delete_dir(f"{BUCKET}/arrow/a")
    left = {one.path for one in arrow.get_file_info(FileSelector(f"{BUCKET}/arrow", recursive=True))}
    assert left == {f"{BUCKET}/arrow/y", f"{BUCKET}/arrow/z"}
    arrow.delete_dir(f"{BUCKET}/arrow")
    (gone,) = arrow.get_file_info([f"{BUCKET}/arrow"])
    assert gone.type is FileType.NotFound


def test_rays_own_storage_functions(arrow: object, tmp_path: Path) -> None:
    from ray.train._internal import storage

    for name in ("one", "sub/two", "sub/deep/three"):
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    where = f"{BUCKET}/ray/run"
    storage._create_directory(arrow, where)
    assert storage._exists_at_fs_path(arrow, where)
    storage._upload_to_fs_path(str(tmp_path / "here"), arrow, where)
    assert sorted(storage._list_at_fs_path(arrow, where)) == ["one", "sub"]
    assert storage._is_directory(arrow, f"{where}/sub")
    storage._download_from_fs_path(arrow, where, str(tmp_path / "there"))
    assert (tmp_path / "there" / "sub" / "deep" / "three").read_text() == "sub/deep/three"
    storage._delete_fs_path(arrow, where)
    assert not storage._exists_at_fs_path(arrow, where)


def test_a_checkpoint_with_folders_in_it(arrow: object, tmp_path: Path) -> None:
    from ray.train import Checkpoint

    (tmp_path / "model" / "layers").mkdir(parents=True)
    (tmp_path / "model" / "layers" / "0").write_text("weights")
    from ray.train._internal import storage

    storage._upload_to_fs_path(str(tmp_path / "model"), arrow, f"{BUCKET}/ray/checkpoint")
    arrow.create_dir(f"{BUCKET}/ray/checkpoint/layers", recursive=True)  # type: ignore[attr-defined]
    with Checkpoint(f"{BUCKET}/ray/checkpoint", filesystem=arrow).as_directory() as folder:
        assert (Path(folder) / "layers" / "0").read_text() == "weights"


def gcsfs(lab: RunningCloud) -> Any:
    from gcsfs.core import GCSFileSystem  # the exported class would query the bucket's type over gRPC

    return GCSFileSystem(
        project="lab-project",
        token="anon",
        endpoint_url=lab.emulator,
        skip_instance_cache=True,
        asynchronous=False,
    )


def test_gcsfs_deletes_successfully(lab: RunningCloud) -> None:
    """A quoted boundary in the batch response made every `rm` fail after the deletion."""
    found = gcsfs(lab)
    found.pipe({f"{BUCKET}/gcsfs/{name}": b"x" for name in ("a", "b/c", "b/d")})
    found.touch(f"{BUCKET}/gcsfs/folder/")
    assert sorted(found.find(f"{BUCKET}/gcsfs")) == [
        f"{BUCKET}/gcsfs/{name}" for name in ("a", "b/c", "b/d", "folder/")
    ]
    found.rm(f"{BUCKET}/gcsfs/b", recursive=True)
    found.rm([f"{BUCKET}/gcsfs/a", f"{BUCKET}/gcsfs/folder/"])
    assert found.find(f"{BUCKET}/gcsfs") == []
    with pytest.raises(FileNotFoundError):
        found.rm(f"{BUCKET}/gcsfs/a")
    with pytest.raises(OSError, match=r"storage\.objects\.delete"):
        found.rm("closed-bucket/x")


@pytest.mark.parametrize("client", ["gs://", "gcsfs"])
def test_rays_storage_of_an_experiment(
    client: str, lab: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Ray's own tests of StorageContext do: markers, checkpoints, artifacts."""
    from pyarrow.fs import FSSpecHandler, PyFileSystem
    from ray.train import Checkpoint, SyncConfig
    from ray.train._internal.storage import StorageContext, _list_at_fs_path

    monkeypatch.setenv("RAY_AIR_LOCAL_CACHE_DIR", str(tmp_path / "cache"))
    endpoint = urlsplit(lab.emulator).netloc
    given = client == "gcsfs"
    place = f"{BUCKET}/context-{given}"
    uri = f"gs://anonymous@{place}?scheme=http&endpoint_override={endpoint}&project_id=lab-project"
    storage = StorageContext(
        storage_path=place if given else uri,
        storage_filesystem=PyFileSystem(FSSpecHandler(gcsfs(lab))) if given else None,
        experiment_dir_name="experiment",
        trial_dir_name="trial",
        sync_config=SyncConfig(sync_artifacts=True, sync_artifacts_on_checkpoint=True, sync_period=1000),
    )
    storage._check_validation_file()
    with pytest.raises(FileNotFoundError):
        storage.persist_current_checkpoint(Checkpoint.from_directory(str(tmp_path / "none")))
    (tmp_path / "empty").mkdir()
    storage.persist_current_checkpoint(Checkpoint.from_directory(str(tmp_path / "empty")))
    assert _list_at_fs_path(storage.storage_filesystem, storage.checkpoint_fs_path) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "1.txt").touch()
    kept = storage.persist_current_checkpoint(Checkpoint.from_directory(str(tmp_path / "full")))
    assert _list_at_fs_path(storage.storage_filesystem, storage.checkpoint_fs_path) == ["1.txt"]
    for name in ("1.txt", "2.txt"):
        (tmp_path / "full" / name).touch()
        storage.syncer.sync_up(local_dir=str(tmp_path / "full"), remote_dir=storage.trial_fs_path)
        storage.syncer.wait()
    assert {"1.txt", "2.txt"} <= set(_list_at_fs_path(storage.storage_filesystem, storage.trial_fs_path))
    storage.storage_filesystem.delete_file(f"{storage.experiment_fs_path}/.validate_storage_marker")
    with pytest.raises(RuntimeError, match="Unable to set up cluster storage"):
        storage.persist_current_checkpoint(kept)
