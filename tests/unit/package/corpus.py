"""Hostile and unusual trees: for each, a function that builds it and the expected result.

`{tree}` in a message is replaced with the tree's path.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from submit.package import LIMITS, Limits, errors

from .build import link, outside, put, raw

LIST = "Exclude it or one of its parent directories (in the header's files, or in .rayignore with --working-dir)."
SMALLER = (
    "Exclude what the job does not need (in the header's files, or in .rayignore with --working-dir), "
    "and read data from storage instead."
)
RENAME = "Rename it, or exclude it (in the header's files, or in .rayignore with --working-dir)."
NEEDS = "Exclude directories that the job does not need (in the header's files, or in .rayignore with --working-dir)."
HOLDS = "Pass the directory that contains the job as --working-dir."
HISTORY = "version control data is never packaged"
GOOGLE = "credentials are never packaged (Google Cloud)"
ENVIRONMENT = "environment files are never packaged"
KEYS = "private keys and certificates are never packaged"
MACHINE = "specific to this machine"
ACCOUNT = "service account keys and user credentials are never packaged"
REINCLUDE = "Re-include what the job needs, for example with a line !*.py in .rayignore."
PATTERNS = "with a regular file that contains one pattern per line."


@dataclass(frozen=True)
class Refusal:
    kind: type[errors.PackageError]
    message: str
    fix: str


@dataclass(frozen=True)
class Case:
    build: Callable[[Path], None]
    travels: frozenset[str] = frozenset()
    excluded: dict[str, str] = field(default_factory=dict)
    refused: Refusal | None = None
    root: str = "."  # the directory to send, relative to the tree
    limits: Limits = LIMITS

    @property
    def name(self) -> str:
        return self.build.__name__


CASES: list[Case] = []
Build = Callable[[Path], None]


def sends(
    *names: str, excluded: dict[str, str] | None = None, root: str = ".", limits: Limits = LIMITS
) -> Callable[[Build], Build]:
    def register(build: Build) -> Build:
        CASES.append(Case(build, frozenset(names), excluded or {}, None, root, limits))
        return build

    return register


def refuses(
    kind: type[errors.PackageError], message: str, fix: str, root: str = ".", limits: Limits = LIMITS
) -> Callable[[Build], Build]:
    def register(build: Build) -> Build:
        CASES.append(Case(build, refused=Refusal(kind, message, fix), root=root, limits=limits))
        return build

    return register


def ignored(file: str, line: int, text: str) -> str:
    return f"ignored by {file} line {line}: {text}"


# Links


@sends("data.txt", "sub/link.txt")
def link_to_a_file_inside(tree: Path) -> None:
    put(tree, "data.txt", "data")
    link(tree, "sub/link.txt", "../data.txt")


@sends("data.txt", "chain.txt", "link.txt")
def chain_of_links_inside(tree: Path) -> None:
    put(tree, "data.txt", "data")
    link(tree, "link.txt", tree / "data.txt")
    link(tree, "chain.txt", "link.txt")


@sends("a.py", excluded={"passwords": "a symlink that points outside the tree"})
def link_to_a_file_outside(tree: Path) -> None:
    put(tree, "a.py")
    put(outside(tree), "passwords", "secret")
    link(tree, "passwords", outside(tree) / "passwords")


@sends("a.py", excluded={"sneaky": "a symlink that points outside the tree"})
def link_out_and_in_again(tree: Path) -> None:
    put(tree, "a.py")
    link(outside(tree), "passwords", "/etc/passwd")
    link(tree, "sneaky", "../outside/passwords")


@sends("a.py", excluded={"sibling": "a symlink that points outside the tree"})
def link_to_a_directory_with_the_same_start(tree: Path) -> None:
    put(tree, "a.py")
    put(tree.parent, "tree-2/x.py")
    link(tree, "sibling", tree.parent / "tree-2" / "x.py")


@sends("lib/a.py", excluded={"pkg": "a symlink to lib/: directories are packaged under their own name only"})
def link_to_a_directory_inside(tree: Path) -> None:
    put(tree, "lib/a.py")
    link(tree, "pkg", "lib")


@sends("a.py", excluded={"data": "a symlink that points outside the tree"})
def link_to_a_directory_outside(tree: Path) -> None:
    put(tree, "a.py")
    put(outside(tree), "big.csv")
    link(tree, "data", "../outside")


@sends("a.py", excluded={"x": "a circular symlink", "y": "a circular symlink"})
def links_in_a_circle(tree: Path) -> None:
    put(tree, "a.py")
    link(tree, "x", "y")
    link(tree, "y", "x")


@sends(
    "d/a.py",
    excluded={
        "d/here": "a symlink to d/: directories are packaged under their own name only",
        "d/up": "a symlink to ./: directories are packaged under their own name only",
    },
)
def links_to_directories_above(tree: Path) -> None:
    put(tree, "d/a.py")
    link(tree, "d/up", "..")
    link(tree, "d/here", ".")


@sends("a.py", excluded={"gone": "a symlink to nowhere.txt, which does not exist"})
def dangling_link(tree: Path) -> None:
    put(tree, "a.py")
    link(tree, "gone", "nowhere.txt")


@sends(
    "a.py",
    excluded={
        ".env": ENVIRONMENT,
        "settings.txt": f"a symlink to .env: {ENVIRONMENT}",
        "config": f"a symlink to .git/config: {HISTORY}",
        "history": f"a symlink to .git/: {HISTORY}",
        ".git/": HISTORY,
    },
)
def links_to_what_never_travels(tree: Path) -> None:
    put(tree, "a.py")
    put(tree, ".env", "TOKEN=1")
    put(tree, ".git/config", "[credential]")
    link(tree, "settings.txt", ".env")
    link(tree, "config", ".git/config")
    link(tree, "history", ".git")


# Things that are not files


@sends(
    "a.py",
    excluded={
        "pipe": "a FIFO; only regular files are packaged",
        "pipe.json": "a FIFO; only regular files are packaged",
    },
)
def fifo(tree: Path) -> None:
    put(tree, "a.py")
    os.mkfifo(tree / "pipe")
    os.mkfifo(tree / "pipe.json")


@sends(
    "a.py",
    excluded={
        "to-pipe": "a FIFO; only regular files are packaged",
        "z": "a FIFO; only regular files are packaged",
    },
)
def link_to_a_fifo(tree: Path) -> None:
    put(tree, "a.py")
    os.mkfifo(tree / "z")
    link(tree, "to-pipe", "z")


@sends("a.py", excluded={"s": "a socket; only regular files are packaged"})
def unix_socket(tree: Path) -> None:
    put(tree, "a.py")
    here = Path.cwd()
    os.chdir(tree)  # a socket's path has at most about 100 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("s")
    finally:
        os.chdir(here)


@sends("a.py", excluded={"zero": "a device; only regular files are packaged"})
def device(tree: Path) -> None:
    put(tree, "a.py")
    try:
        os.mknod(tree / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root may make a device")


@sends("a.py", excluded={"zero": "a symlink that points outside the tree"})
def link_to_a_device(tree: Path) -> None:
    put(tree, "a.py")
    link(tree, "zero", "/dev/zero")


# What is never packaged


@sends(
    ".env.example",
    "conf/.env.sample",
    "env.py",
    excluded=dict.fromkeys(
        [".env", ".env.local", ".envrc", ".ENV", "conf/.env.prod", "old/.env/"], ENVIRONMENT
    ),
)
def environment_files(tree: Path) -> None:
    for name in (".env", ".env.local", ".envrc", ".ENV", "conf/.env.prod", "old/.env/x.txt"):
        put(tree, name, "PASSWORD=hunter2")
    for name in (".env.example", "conf/.env.sample", "env.py"):
        put(tree, name)


@sends(
    "id_rsa.pub",
    "keys.py",
    excluded=dict.fromkeys(
        ["a.pem", "B.PEM", "c.key", "id_rsa", "sub/id_ed25519", "id_ecdsa", "d.p12", "e.pfx", ".key"], KEYS
    ),
)
def private_keys_by_name(tree: Path) -> None:
    for name in ("a.pem", "B.PEM", "c.key", "id_rsa", "sub/id_ed25519", "id_ecdsa", "d.p12", "e.pfx", ".key"):
        put(tree, name, "key")
    put(tree, "id_rsa.pub")
    put(tree, "keys.py")


@sends(
    "config.json",
    "list.json",
    "broken.json",
    "nested.json",
    excluded={"sa.json": ACCOUNT, "deep/me.JSON": ACCOUNT},
)
def google_credentials_by_content(tree: Path) -> None:
    put(tree, "sa.json", json.dumps({"type": "service_account", "private_key": "-----BEGIN"}))
    put(tree, "deep/me.JSON", json.dumps({"type": "authorized_user", "refresh_token": "1//0"}))
    put(tree, "config.json", json.dumps({"type": "service_account"}))
    put(tree, "list.json", "[1]")
    put(tree, "broken.json", '{"type": "service_account"')
    put(tree, "nested.json", "[" * 16_000)


@sends(
    ".config/app.toml",
    excluded={
        **dict.fromkeys([".config/gcloud/", "application_default_credentials.json"], GOOGLE),
        ".aws/": "credentials are never packaged (AWS)",
        ".ssh/": KEYS,
        ".kube/": "credentials are never packaged (Kubernetes)",
        ".netrc": "credentials are never packaged (the network)",
    },
)
def credentials_of_tools(tree: Path) -> None:
    for name in (
        ".aws/credentials",
        ".config/gcloud/credentials.db",
        ".ssh/config",
        ".kube/config",
        ".netrc",
    ):
        put(tree, name)
    put(tree, "application_default_credentials.json", "{}")
    put(tree, ".config/app.toml")


@sends("app.toml", excluded={"gcloud/": GOOGLE}, root=".config")
def gcloud_below_the_root(tree: Path) -> None:
    put(tree, ".config/gcloud/credentials.db")
    put(tree, ".config/app.toml")


@sends("a.py", excluded={".git/": HISTORY, "sub/.hg/": HISTORY, "sub/.svn/": HISTORY, "module/.git": HISTORY})
def version_control_with_credentials(tree: Path) -> None:
    put(tree, "a.py")
    put(tree, ".git/config", "url = https://me:password@example.com/x.git")
    put(tree, "sub/.hg/hgrc")
    put(tree, "sub/.svn/wc.db")
    put(tree, "module/.git", "gitdir: ../.git/modules/module")


@sends(
    "a.py",
    excluded={
        "my-env/": f"a virtual environment, {MACHINE}",
        **dict.fromkeys(
            [
                ".venv/",
                "__pycache__/",
                "node_modules/",
                ".ipynb_checkpoints/",
                ".raydock/",
                "a.pyc",
                ".DS_Store",
            ],
            MACHINE,
        ),
    },
)
def made_for_this_machine(tree: Path) -> None:
    for name in (
        ".venv/bin/python",
        "__pycache__/a.cpython-311.pyc",
        "node_modules/x.js",
        "a.pyc",
        ".DS_Store",
    ):
        put(tree, name)
    put(tree, ".ipynb_checkpoints/a.ipynb")
    put(tree, ".raydock/state")
    put(tree, "my-env/pyvenv.cfg")
    put(tree, "my-env/lib/python3.11/site-packages/x.py")
    put(tree, "a.py")


@sends(".gitignore", ".rayignore", "a.py", excluded={".env": ENVIRONMENT, "k.pem": KEYS, ".git/": HISTORY})
def negations_bring_no_secret_back(tree: Path) -> None:
    put(tree, ".gitignore", "!.env\n!k.pem\n!.git\n")
    put(tree, ".rayignore", "!.env\n!*.pem\n!.git/\n!.git/**\n")
    for name in (".env", "k.pem", ".git/config", "a.py"):
        put(tree, name)


# Ignore files


@refuses(
    errors.EmptyPackage,
    "Nothing to send from {tree}: everything is excluded: .gitignore (ignored by .gitignore line 1: *); "
    "a.py (ignored by .gitignore line 1: *); b.py (ignored by .gitignore line 1: *); and 1 more.",
    REINCLUDE,
)
def excludes_of_everything(tree: Path) -> None:
    put(tree, ".gitignore", "*\n")
    for name in ("a.py", "b.py", "sub/c.py"):
        put(tree, name)


@refuses(
    errors.EmptyPackage,
    "Nothing to send from {tree}: everything is excluded: .rayignore (ignored by .rayignore line 1: *); "
    "a.py (ignored by .rayignore line 1: *).",
    REINCLUDE,
)
def rayignore_of_everything(tree: Path) -> None:
    put(tree, ".rayignore", "*\n")
    put(tree, "a.py")


@sends(
    "a.py",
    "sub/b.py",
    excluded=dict.fromkeys([".gitignore", ".hidden", "sub/.x/"], ignored(".gitignore", 1, ".*")),
)
def excludes_of_dot_star(tree: Path) -> None:
    put(tree, ".gitignore", ".*\n")
    for name in ("a.py", "sub/b.py", ".hidden", "sub/.x/y"):
        put(tree, name)


@sends(
    ".gitignore",
    "keep.log",
    "sub/.gitignore",
    "sub/b.log",
    "sub/deep/.gitignore",
    excluded={
        "a.log": ignored(".gitignore", 1, "*.log"),
        "sub/keep.log": ignored("sub/.gitignore", 2, "keep.*"),
        "sub/deep/b.log": ignored("sub/deep/.gitignore", 1, "*.log"),
    },
)
def nested_ignore_files_and_negations(tree: Path) -> None:
    put(tree, ".gitignore", "*.log\n!keep.log\n")
    put(tree, "sub/.gitignore", "!b.log\nkeep.*\n")
    put(tree, "sub/deep/.gitignore", "*.log\n")
    for name in ("a.log", "keep.log", "sub/b.log", "sub/keep.log", "sub/deep/b.log"):
        put(tree, name)


@sends(".gitignore", excluded={"build/": ignored(".gitignore", 1, "build/")})
def nothing_comes_back_from_an_ignored_directory(tree: Path) -> None:
    put(tree, ".gitignore", "build/\n!build/keep.py\n")
    put(tree, "build/keep.py")
    put(tree, "build/.gitignore", "!*\n")


@sends(
    ".gitignore",
    "build",
    "sub/only.txt",
    "sub/top/x",
    excluded={"sub/build/": ignored(".gitignore", 1, "build/"), "top/": ignored(".gitignore", 2, "/top")}
    | {"sub/x/y.txt": ignored(".gitignore", 3, "sub/**/y.txt")},
)
def anchored_and_directory_only_patterns(tree: Path) -> None:
    put(tree, ".gitignore", "build/\n/top\nsub/**/y.txt\nonly.txt/\n")
    for name in ("build", "sub/build/x", "top/x", "sub/top/x", "sub/x/y.txt", "sub/only.txt"):
        put(tree, name)


@sends(
    ".gitignore",
    ".rayignore",
    "model.bin",
    "sub/.gitignore",
    "sub/model.bin",
    excluded={"notes.md": ignored(".rayignore", 2, "*.md"), "other.bin": ignored(".gitignore", 1, "*.bin")},
)
def rayignore_has_the_last_word(tree: Path) -> None:
    put(tree, ".gitignore", "*.bin\n")
    put(tree, "sub/.gitignore", "*.bin\n")
    put(tree, ".rayignore", "!model.bin\n*.md\n")
    for name in ("model.bin", "sub/model.bin", "other.bin", "notes.md"):
        put(tree, name)


@sends(
    ".gitignore",
    "b.txt",
    excluded={"a.txt": ignored(".gitignore", 1, "a.txt"), "data/": ignored(".gitignore", 3, "data/")},
)
def ignore_file_from_windows(tree: Path) -> None:
    put(tree, ".gitignore", b"\xef\xbb\xbfa.txt\r\n# data\r\ndata/\r\n")
    for name in ("a.txt", "b.txt", "data/c.txt"):
        put(tree, name)


@sends(
    ".gitignore",
    "b",
    excluded={"#a": ignored(".gitignore", 1, "\\#a"), "!c": ignored(".gitignore", 2, "\\!c")}
    | {"d ": ignored(".gitignore", 3, "d\\ "), "[": ignored(".gitignore", 5, "\\[")},
)
def escapes_in_an_ignore_file(tree: Path) -> None:
    put(tree, ".gitignore", "\\#a\n\\!c\nd\\ \nb[\n\\[")
    for name in ("#a", "!c", "d ", "b", "["):
        put(tree, name)


@refuses(
    errors.BadIgnoreFile,
    ".gitignore is not a regular file, so its rules cannot be read.",
    f"Replace .gitignore {PATTERNS}",
)
def ignore_file_is_a_link(tree: Path) -> None:
    put(tree, "a.py")
    put(outside(tree), "ignore", "*.csv\n")
    link(tree, ".gitignore", "../outside/ignore")


@refuses(
    errors.BadIgnoreFile,
    "sub/.rayignore is not a regular file, so its rules cannot be read.",
    f"Replace sub/.rayignore {PATTERNS}",
)
def ignore_file_is_a_fifo(tree: Path) -> None:
    put(tree, "sub/a.py")
    os.mkfifo(tree / "sub" / ".rayignore")


@refuses(
    errors.BadIgnoreFile,
    ".gitignore is larger than 1,048,576 bytes, too large for an ignore file.",
    f"Replace .gitignore {PATTERNS}",
)
def ignore_file_of_100_mb(tree: Path) -> None:
    put(tree, "a.py")
    os.truncate(put(tree, ".gitignore"), 100 * 1024 * 1024)


@sends(".gitignore/x", "a.py")
def ignore_file_is_a_directory(tree: Path) -> None:
    put(tree, ".gitignore/x", "*\n")
    put(tree, "a.py")


@sends(".gitignore", "a" * 250, excluded={"b" * 250: ignored(".gitignore", 2, "b*b*b*b*b*b*b*b*b*b*b*b")})
def ignore_patterns_that_take_for_ever(tree: Path) -> None:
    put(tree, ".gitignore", "*a" * 40 + "b\n" + "b*" * 11 + "b\n" + "**/a/" * 30 + "c\n")
    put(tree, "a" * 250)
    put(tree, "b" * 250)


@sends(
    "a.py",
    excluded={"x.log": ignored("../../.gitignore", 1, "*.log"), "t/": ignored("../.rayignore", 1, "/job/t")},
    root="sub/job",
)
def ignore_files_above_the_root(tree: Path) -> None:
    put(tree, ".git/HEAD")
    put(tree, ".gitignore", "*.log\n")
    put(tree, "sub/.rayignore", "/job/t\n")
    for name in ("a.py", "x.log", "t/b.py"):
        put(tree, f"sub/job/{name}")


@sends("a.py", "sub/x.log", root="job")
def ignore_files_above_without_a_repository(tree: Path) -> None:
    put(tree, ".gitignore", "*.log\n")
    put(tree, "job/a.py")
    put(tree, "job/sub/x.log")


@sends("x.log", root="inner/job")
def ignore_files_above_a_repository_in_a_repository(tree: Path) -> None:
    put(tree, ".git/HEAD")
    put(tree, ".gitignore", "*.log\n")
    put(tree, "inner/.git", "gitdir: elsewhere")
    put(tree, "inner/job/x.log")


@sends("a.py", root="build")
def ignored_root_was_named(tree: Path) -> None:
    put(tree, ".git/HEAD")
    put(tree, ".gitignore", "build/\n")
    put(tree, "build/a.py")


@refuses(
    errors.BadIgnoreFile,
    "../.gitignore is not a regular file, so its rules cannot be read.",
    f"Replace ../.gitignore {PATTERNS}",
    root="job",
)
def ignore_file_above_the_root_is_a_fifo(tree: Path) -> None:
    put(tree, ".git/HEAD")
    put(tree, "job/a.py")
    os.mkfifo(tree / ".gitignore")


# Sizes and shapes


@refuses(
    errors.TooLarge,
    "{tree} contains 1,024.0 MiB to send, more than the limit of 512.0 MiB unpacked; "
    "its largest files: model.bin (1,024.0 MiB), a.py (0.0 MiB).",
    SMALLER,
)
def sparse_file_of_1_gb(tree: Path) -> None:
    put(tree, "a.py")
    os.truncate(put(tree, "model.bin"), 1024**3)


@refuses(
    errors.TooLarge,
    "{tree} contains 630.0 MiB to send, more than the limit of 512.0 MiB unpacked; its largest files: f6 (120.0 MiB), "
    "f5 (110.0 MiB), f4 (100.0 MiB), f3 (90.0 MiB), f2 (80.0 MiB).",
    SMALLER,
)
def seven_large_files(tree: Path) -> None:
    for index in range(7):
        os.truncate(put(tree, f"f{index}"), (60 + index * 10) * 1024**2)


@refuses(
    errors.EmptyPackage,
    "Nothing to send from {tree}: it contains no files.",
    "Put the job's files there, or pass another directory.",
)
def empty_tree(tree: Path) -> None:
    pass


@refuses(
    errors.EmptyPackage,
    "Nothing to send from {tree}: it contains no files.",
    "Put the job's files there, or pass another directory.",
)
def only_empty_directories(tree: Path) -> None:
    (tree / "a" / "b").mkdir(parents=True)


@refuses(
    errors.EmptyPackage,
    f"Nothing to send from {{tree}}: everything is excluded: .env ({ENVIRONMENT}).",
    "Put the job's files there, or pass another directory.",
)
def only_a_secret(tree: Path) -> None:
    put(tree, ".env")


@sends(*(f"d{index % 100}/f{index}.py" for index in range(10_000)))
def ten_thousand_files(tree: Path) -> None:
    for index in range(100):
        (tree / f"d{index}").mkdir()
    for index in range(10_000):
        (tree / f"d{index % 100}" / f"f{index}.py").touch()


@refuses(
    errors.TooManyFiles,
    "{tree} contains 7 files to send, more than the limit of 5; most are in d/e/ (3), ./ (2), d/ (2).",
    NEEDS,
    limits=Limits(files=5),
)
def too_many_files(tree: Path) -> None:
    for name in ("a", "b", "d/a", "d/b", "d/e/a", "d/e/b", "d/e/c"):
        put(tree, name)


@refuses(
    errors.TooManyFiles,
    "{tree} contains more than 5 files and directories.",
    NEEDS,
    limits=Limits(scanned=5),
)
def too_many_names_to_look_at(tree: Path) -> None:
    put(tree, ".gitignore", "*.log\n")
    for index in range(5):
        put(tree, f"{index}.log")


@sends(".gitignore", excluded={"data/": ignored(".gitignore", 1, "data")}, limits=Limits(scanned=5))
def ignored_directory_is_not_scanned(tree: Path) -> None:
    put(tree, ".gitignore", "data\n")
    for index in range(10):
        put(tree, f"data/{index}")


@sends("d/" * 64 + "a.py")
def directories_64_deep(tree: Path) -> None:
    put(tree, "d/" * 64 + "a.py")


@refuses(errors.TooDeep, "d" + "/d" * 64 + "/ is nested more than 64 directories deep.", LIST)
def directories_65_deep(tree: Path) -> None:
    put(tree, "d/" * 65 + "a.py")


@refuses(
    errors.BadName,
    f"The name {'d' * 200}… cannot be packed: it is 4,015 bytes long; the limit is 3,800.",
    RENAME,
)
def path_of_4000_bytes(tree: Path) -> None:
    here, name = Path.cwd(), "d" * 250
    os.chdir(tree)  # the whole path is longer than the system lets one write
    try:
        for _ in range(16):
            os.mkdir(name)
            os.chdir(name)
        Path("a.py").touch()
    finally:
        os.chdir(here)


@sends("bomb.zip", "a.py")
def compressed_file_travels_as_it_is(tree: Path) -> None:
    put(tree, "a.py")
    with zipfile.ZipFile(tree / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", bytes(20 * 1024**2))


@sends("one.py", "sub/two.py")
def hard_links(tree: Path) -> None:
    put(tree, "one.py", "same")
    (tree / "sub").mkdir()
    os.link(tree / "one.py", tree / "sub" / "two.py")


@sends("empty", "run.sh", "locked.py")
def modes(tree: Path) -> None:
    put(tree, "empty", "")
    put(tree, "run.sh", "#!/bin/sh\n", mode=0o700)
    put(tree, "locked.py", "x\n", mode=0o411)


# Names


@sends(
    unicodedata.normalize("NFC", "é.py"), unicodedata.normalize("NFD", "é.py"), "日本/データ.csv", "😀.txt"
)
def unicode_names_composed_and_decomposed(tree: Path) -> None:
    put(tree, unicodedata.normalize("NFC", "é.py"), "composed")
    put(tree, unicodedata.normalize("NFD", "é.py"), "decomposed")
    put(tree, "日本/データ.csv")
    put(tree, "😀.txt")


@sends("-rf", "two\nlines.py", " spaces .txt ", "tab\t", "star*", "..dots", "c:d", "~", "'\"$(x)")
def odd_names(tree: Path) -> None:
    for name in ("-rf", "two\nlines.py", " spaces .txt ", "tab\t", "star*", "..dots", "c:d", "~", "'\"$(x)"):
        put(tree, name)


@sends("README", "readme", "Sub/a", "sub/a")
def names_that_differ_in_case(tree: Path) -> None:
    for name in ("README", "readme", "Sub/a", "sub/a"):
        put(tree, name, name)


@sends("x.py/inner.py", "lib.zip/a")
def directories_named_as_files(tree: Path) -> None:
    put(tree, "x.py/inner.py")
    put(tree, "lib.zip/a")


@refuses(
    errors.BadName,
    "The name sub/..\\..\\evil.py cannot be packed: it contains a backslash.",
    RENAME,
)
def backslash_in_a_name(tree: Path) -> None:
    put(tree, "a.py")
    put(tree, "sub/..\\..\\evil.py")


@refuses(
    errors.BadName,
    "The name caf\\xe9.py cannot be packed: its bytes are not UTF-8.",
    RENAME,
)
def name_that_is_not_utf8(tree: Path) -> None:
    put(tree, "a.py")
    raw(tree, b"caf\xe9.py")


@refuses(
    errors.BadName,
    "The name \\xff cannot be packed: its bytes are not UTF-8.",
    RENAME,
)
def directory_that_is_not_utf8(tree: Path) -> None:
    os.mkdir(os.fsencode(tree) + b"/\xff")
    raw(tree, b"\xff/a")


@sends(
    ".rayignore",
    excluded={
        "caf\\xe9.py": ignored(".rayignore", 1, "caf\\xe9.py"),
        "a\\b": ignored(".rayignore", 2, "a\\\\b"),
    },
)
def bad_names_that_are_ignored(tree: Path) -> None:
    put(tree, ".rayignore", b"caf\xe9.py\na\\\\b\n")
    raw(tree, b"caf\xe9.py")
    put(tree, "a\\b")


# Roots


@sends("a.py", root="../link")
def root_is_a_link(tree: Path) -> None:
    put(tree, "a.py")
    link(tree.parent, "link", tree)


@refuses(
    errors.NoSuchTree,
    "{tree}/nope does not exist.",
    "Pass an existing directory to --working-dir.",
    root="nope",
)
def no_root(tree: Path) -> None:
    pass


@refuses(
    errors.NoSuchTree,
    "{tree}/a.py is not a directory.",
    "Pass an existing directory to --working-dir.",
    root="a.py",
)
def root_is_a_file(tree: Path) -> None:
    put(tree, "a.py")


@refuses(
    errors.NoSuchTree,
    "{tree}/gone is not a directory.",
    "Pass an existing directory to --working-dir.",
    root="gone",
)
def root_is_a_dangling_link(tree: Path) -> None:
    link(tree, "gone", "nowhere")


@refuses(
    errors.NoSuchTree,
    "{tree}/pipe is not a directory.",
    "Pass an existing directory to --working-dir.",
    root="pipe",
)
def root_is_a_fifo(tree: Path) -> None:
    os.mkfifo(tree / "pipe")


@refuses(
    errors.RefusedTree, "/ is the root of the file system, which is never sent as a whole.", HOLDS, root="/"
)
def root_is_the_file_system(tree: Path) -> None:
    pass


@refuses(
    errors.RefusedTree,
    "{tree}/../home is your home directory, which is never sent as a whole.",
    HOLDS,
    root="../home",
)
def root_is_the_home_directory(tree: Path) -> None:
    put(tree.parent, "home/a.py")


@refuses(
    errors.RefusedTree,
    "{tree}/.. contains your home directory, which is never sent as a whole.",
    HOLDS,
    root="..",
)
def root_is_above_the_home_directory(tree: Path) -> None:
    put(tree.parent, "home/a.py")


@refuses(errors.RefusedTree, f"{{tree}}/.ssh cannot be sent: {KEYS}.", HOLDS, root=".ssh")
def root_holds_credentials(tree: Path) -> None:
    put(tree, ".ssh/config")


@refuses(errors.RefusedTree, f"{{tree}}/.git/hooks cannot be sent: {HISTORY}.", HOLDS, root=".git/hooks")
def root_is_inside_version_control(tree: Path) -> None:
    put(tree, ".git/hooks/x")


@refuses(errors.RefusedTree, f"{{tree}}/v is a virtual environment, {MACHINE}.", HOLDS, root="v")
def root_is_a_virtual_environment(tree: Path) -> None:
    put(tree, "v/pyvenv.cfg")
