"""The content hash and the zip: what changes them, what does not, and files that change while being packaged."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from submit.package import Contents, ContentsChanged, digest, errors, pack, package_uri, reader, tree_contents

from .build import link, outside, put, within

WHERE = "in the header's files, or in .rayignore with --working-dir"
AGAIN = f"Run the command again; exclude files that are still being written ({WHERE})."


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path.resolve() / "tree"
    put(tree, "a.py", "import b\n")
    put(tree, "sub/b.py", "b = 1\n")
    put(tree, "sub/empty.txt", "")
    return tree


def name_of(tree: Path) -> str:
    return digest(tree_contents(tree))


def rename(tree: Path) -> None:
    (tree / "a.py").rename(tree / "c.py")


def swap_contents(tree: Path) -> None:
    put(tree, "a.py", "b = 1\n")
    put(tree, "sub/b.py", "import b\n")


def move_a_byte_from_name_to_contents(tree: Path) -> None:
    (tree / "a.py").unlink()
    put(tree, "a.p", "yimport b\n")


CHANGES: dict[str, Callable[[Path], object]] = {
    "one byte": lambda tree: put(tree, "a.py", "import c\n"),
    "executable bit": lambda tree: (tree / "a.py").chmod(0o755),
    "rename": rename,
    "move": lambda tree: (tree / "a.py").rename(tree / "sub" / "a.py"),
    "another file": lambda tree: put(tree, "c.py", ""),
    "an empty file less": lambda tree: (tree / "sub" / "empty.txt").unlink(),
    "two files' contents exchanged": swap_contents,
    "a byte from name to contents": move_a_byte_from_name_to_contents,
    "an ignore file": lambda tree: put(tree, ".gitignore", "nothing\n"),
    "one file excluded": lambda tree: put(tree, ".rayignore", "a.py\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_digest_changes(change: str, tree: Path) -> None:
    before = name_of(tree)
    CHANGES[change](tree)
    assert name_of(tree) != before


def test_all_changes_give_different_digests(tree: Path, tmp_path: Path) -> None:
    found = {name_of(tree)}
    for index, change in enumerate(CHANGES.values()):
        copy = tmp_path / f"copy{index}"
        shutil.copytree(tree, copy)
        change(copy)
        found.add(name_of(copy))
    assert len(found) == len(CHANGES) + 1


def touch(tree: Path) -> Path:
    os.utime(tree / "a.py", (1, 1))
    return tree


def open_to_all(tree: Path) -> Path:
    (tree / "a.py").chmod(0o666)
    (tree / "sub").chmod(0o777)
    return tree


def written_in_another_order(tree: Path) -> Path:
    other = tree.parent / "elsewhere" / "deeper"
    for path in sorted((path for path in tree.rglob("*") if path.is_file()), reverse=True):
        put(other, str(path.relative_to(tree)), path.read_bytes())
    return other


def with_an_empty_directory(tree: Path) -> Path:
    (tree / "out").mkdir()
    return tree


def through_a_link(tree: Path) -> Path:
    link(tree.parent, "link", tree)
    return tree.parent / "link"


@pytest.mark.parametrize(
    "change", [touch, open_to_all, written_in_another_order, with_an_empty_directory, through_a_link]
)
def test_digest_and_zip_do_not_change(change: Callable[[Path], Path], tree: Path) -> None:
    contents = tree_contents(tree)
    before = digest(contents)
    data = pack(contents, before)
    after = tree_contents(change(tree))
    assert digest(after) == before
    assert pack(after, before) == data


def test_umask_changes_nothing(tree: Path) -> None:
    before = name_of(tree)
    old = os.umask(0o077)
    try:
        other = tree.parent / "other"
        for name in ("a.py", "sub/b.py", "sub/empty.txt"):
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            (other / name).write_bytes((tree / name).read_bytes())
    finally:
        os.umask(old)
    assert (other / "a.py").stat().st_mode & 0o777 == 0o600
    assert name_of(other) == before


def test_digest_is_pinned(tree: Path) -> None:
    """A changed hash makes the packages on every cluster stale, so it must be intended."""
    assert name_of(tree) == "ee9f8f9cc655ad57ae0691c88dc77365f0fc4f675a167850e4116acb066d19fe"


def test_uri() -> None:
    assert package_uri("0123456789abcdef" * 4) == "gcs://_ray_pkg_0123456789abcdef0123456789abcdef.zip"


def test_large_files_are_read_in_pieces(tree: Path) -> None:
    noise = random.Random(0)
    for size in (reader.CHUNK - 1, reader.CHUNK, reader.CHUNK + 1, 2 * reader.CHUNK, 3 * reader.CHUNK + 7):
        put(tree, f"{size}.bin", noise.randbytes(size))
    contents = tree_contents(tree)
    data = pack(contents, digest(contents))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == {
            entry.name: entry.path.read_bytes() for entry in contents.entries
        }


# Files that change between listing, hashing and packing


def grow(tree: Path) -> None:
    with (tree / "sub" / "b.py").open("a") as stream:
        stream.write("more\n")


def shrink(tree: Path) -> None:
    os.truncate(tree / "sub" / "b.py", 2)


def remove(tree: Path) -> None:
    (tree / "sub" / "b.py").unlink()


def become_executable(tree: Path) -> None:
    (tree / "sub" / "b.py").chmod(0o755)


def become_a_link(tree: Path) -> None:
    put(outside(tree), "secret", "b = 2\n")
    remove(tree)
    link(tree, "sub/b.py", "../../outside/secret")


def become_a_fifo(tree: Path) -> None:
    remove(tree)
    os.mkfifo(tree / "sub" / "b.py")


def become_a_directory(tree: Path) -> None:
    remove(tree)
    (tree / "sub" / "b.py").mkdir()


def directory_becomes_a_link(tree: Path) -> None:
    """Same names, same sizes, other bytes: only refusing the symlink detects it."""
    shutil.copytree(tree / "sub", outside(tree) / "sub")
    put(outside(tree), "sub/b.py", "b = 2\n")
    shutil.rmtree(tree / "sub")
    link(tree, "sub", "../outside/sub")


MEANWHILE = [
    grow, shrink, remove, become_executable, become_a_link, become_a_fifo, become_a_directory,
    directory_becomes_a_link,
]  # fmt: skip


@pytest.mark.parametrize("change", MEANWHILE)
@pytest.mark.parametrize("step", ["digest", "pack"])
def test_file_that_changes_while_packaging(change: Callable[[Path], None], step: str, tree: Path) -> None:
    contents = tree_contents(tree)
    name = digest(contents)
    change(tree)
    with pytest.raises(ContentsChanged) as caught:
        within(10, lambda: pack(contents, name) if step == "pack" else digest(contents))
    assert caught.value.message == "sub/b.py changed while it was being packaged."
    assert caught.value.fix == AGAIN
    assert not isinstance(caught.value, errors.PermanentError)


def test_empty_file_that_becomes_a_fifo(tree: Path) -> None:
    contents = tree_contents(tree)
    (tree / "sub" / "empty.txt").unlink()
    os.mkfifo(tree / "sub" / "empty.txt")
    with pytest.raises(ContentsChanged, match=r"^sub/empty\.txt changed while it was being packaged\.$"):
        within(10, lambda: digest(contents))


def test_same_size_other_bytes_between_hashing_and_packing(tree: Path) -> None:
    contents = tree_contents(tree)
    name = digest(contents)
    put(tree, "a.py", "import c\n")
    with pytest.raises(ContentsChanged) as caught:
        pack(contents, name)
    assert caught.value.message == "The files changed between hashing and packing."
    assert caught.value.fix == AGAIN


def test_file_that_grows_while_it_is_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = tree_contents(tree)
    read = os.read

    def growing(fd: int, size: int) -> bytes:
        if os.path.sameopenfile(fd, victim.fileno()):
            grow(tree)
        return read(fd, size)

    with (tree / "sub" / "b.py").open() as victim:
        monkeypatch.setattr(os, "read", growing)
        with pytest.raises(ContentsChanged, match=r"^sub/b\.py changed while it was being packaged\.$"):
            within(10, lambda: digest(contents))


def test_nothing_stays_open(tree: Path) -> None:
    contents = tree_contents(tree)
    name = digest(contents)
    become_a_link(tree)
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        with pytest.raises(ContentsChanged):
            pack(contents, name)
    assert len(os.listdir("/dev/fd")) == before


# Files that cannot be read


def refusing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make the system call itself fail, since root may read files of any mode."""
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if os.path.basename(path) == name:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)


def scan_refusing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = os.scandir

    def refuse(path: str) -> os._ScandirIterator[str]:
        if os.path.basename(path) == name:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)


@pytest.mark.parametrize("name", ["sub/b.py", "sub/key.json", ".gitignore"])
@pytest.mark.parametrize("how", ["refused", "mode"])
def test_unreadable_file(name: str, how: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tree, name, "{}\n", mode=0o000 if how == "mode" else 0o644)
    if how == "refused" or os.access(path, os.R_OK):  # root may read any file
        refusing(monkeypatch, path.name)
    with pytest.raises(errors.Unreadable) as caught:
        digest(tree_contents(tree))
    assert caught.value.message == f"{name} cannot be read: Permission denied."
    assert caught.value.fix.startswith(f"Make it readable{':' if name == '.gitignore' else ''} ")
    assert f"chmod u+r {name}" in caught.value.fix


def test_unreadable_directory(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan_refusing(monkeypatch, "sub")
    with pytest.raises(errors.Unreadable) as caught:
        tree_contents(tree)
    assert caught.value.message == "sub/ cannot be read: Permission denied."


def test_unreadable_but_ignored_is_never_opened(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tree, ".rayignore", "sub/\n")
    scan_refusing(monkeypatch, "sub")
    refusing(monkeypatch, "b.py")
    assert [entry.name for entry in tree_contents(tree).entries] == [".rayignore", "a.py"]
    assert name_of(tree)


# The cap


def test_package_over_the_cap(tree: Path) -> None:
    put(tree, "noise.bin", random.Random(0).randbytes(3 * 1024**2))
    contents = tree_contents(tree)
    name = digest(contents)
    with pytest.raises(errors.TooLarge) as caught:
        pack(contents, name, cap=1024**2)
    assert caught.value.message == (
        f"The package for {tree} exceeds 1.0 MiB compressed; its largest files: noise.bin (3.0 MiB), "
        "a.py (0.0 MiB), sub/b.py (0.0 MiB), sub/empty.txt (0.0 MiB)."
    )
    assert caught.value.fix == (
        f"Exclude what the job does not need ({WHERE}), and read data from storage instead."
    )


def test_package_of_exactly_the_cap(tree: Path) -> None:
    contents: Contents = tree_contents(tree)
    name = digest(contents)
    size = len(pack(contents, name))
    assert len(pack(contents, name, cap=size)) == size
    with pytest.raises(errors.TooLarge):
        pack(contents, name, cap=size - 1)


def test_compression(tree: Path) -> None:
    put(tree, "zeros", bytes(50 * 1024**2))
    contents = tree_contents(tree)
    assert contents.unpacked_bytes == 50 * 1024**2 + 15
    assert len(pack(contents, digest(contents), cap=1024**2)) < 300_000
