"""For which declarations Ray's or pyarrow's own code looks up the bucket, found in the job's text.

`pyarrow.fs.GcsFileSystem.create_dir` asks for the bucket's metadata, which takes storage.buckets.get: a permission that
no role on objects holds. Ray Tune and Train call it for `storage_path` (ray/train/_internal/storage.py), Ray Data for
each of its writers (ray/data/datasource/file_datasink.py). Of reading, only a bucket as a whole takes it. pyarrow's
other calls, google-cloud-storage and gcsfs don't.

A call is about the declarations that its arguments mention, through assignments and parameters. One that mentions
none of them may be about any, unless it is known to be about something else.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from iam.policy.required_permissions import bare
from raydock.errors import UsageError
from raydock.jobscript.header import Header
from raydock.jobscript.text import Text, name_of

TRAINERS = ("ray.tune", "ray.train", "ray.air")
DATASET_WRITERS = frozenset(
    f"write_{kind}" for kind in ("parquet", "json", "csv", "images", "numpy", "tfrecords", "webdataset")
)
PYARROW_WRITERS = {  # the argument that is the folder
    "pyarrow.dataset.write_dataset": (1, "base_dir"),
    "pyarrow.parquet.write_to_dataset": (1, "root_path"),
    "pyarrow.fs.copy_files": (1, "destination"),
}
PYARROW_READERS = ("pyarrow.parquet.read_table", "pyarrow.parquet.ParquetDataset", "pyarrow.dataset.dataset")
OTHER_FILES = ("gcsfs", "fsspec")  # a file system that is handed over is theirs: it makes no folders
ON_THIS_MACHINE = frozenset({"tempfile", "mkdtemp", "gettempdir", "expanduser", "getcwd"})


@dataclass(frozen=True, slots=True)
class WriterCall:
    """A call that looks up the bucket of what it `reads` or `writes`, and the expressions that say which that is.

    argument: the one of the job that it is about if these don't tell.
    """

    kind: str
    where: str
    about: tuple[ast.AST, ...]
    argument: str = ""


def lookups(header: Header, sources: Mapping[str, bytes]) -> dict[str, str]:
    """Entries of the header's `reads` and `writes` → the line that looks up their bucket.

    sources: the job's modules by name. What the header says in `folders` is taken in place of what they say of writes.
    """
    found: dict[str, str] = {}
    calls = [call for call in calls_in(sources) if header.folders is None or call[0].kind == "reads"]
    for call, text in calls:
        for entry in concerned(call, header.reads if call.kind == "reads" else header.writes, text):
            found.setdefault(entry, call.where)
    for name in header.folders or ():
        found |= dict.fromkeys(declared(header, name), f'folders = "{name}"')
    return found


def declared(header: Header, name: str) -> list[str]:
    """The entries of `writes` that an entry of `folders` names. Raises UsageError where there is none."""
    entries = [entry for entry in header.writes if bare(entry) == bare(name)]
    if not entries:
        hint = f"folders = {list(header.writes)[:1]}" if header.writes else f'writes = ["{name}"]'
        raise UsageError(f"The header's folders lists {name!r}, which its writes does not.", hint)
    return entries


def concerned(call: WriterCall, entries: Iterable[str], text: Text) -> list[str]:
    """The entries that a call is about."""
    entries = list(entries)
    names, texts, known = text.mentioned(call.about)
    uris = [one for one in texts if one.startswith("gs://")]
    about = [
        entry
        for entry in entries
        if bare(entry) in names or any(entry.startswith(one) or one.startswith(entry) for one in uris)
    ]
    about = about or [entry for entry in entries if bare(entry) == call.argument]
    return about if about or known or names & ON_THIS_MACHINE else entries


def calls_in(sources: Mapping[str, bytes]) -> list[tuple[WriterCall, Text]]:
    """The calls that look up a bucket. What is not Python is left out: packaging says so."""
    text, trees = Text(), {}
    for name, source in sources.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the module's own, shown when it runs
                trees[name] = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        text.read(trees[name])
    for tree in trees.values():
        text.pass_arguments(tree)
    return [
        (call, text)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        for call in seen(node, name, text)
    ]


def seen(node: ast.AST, name: str, text: Text) -> Iterator[WriterCall]:
    """The calls of one node."""
    at = f"{name}:{getattr(node, 'lineno', 0)}"
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "storage_path":
                yield from stored(value, at, text)
    elif isinstance(node, ast.Assign) and "storage_path" in [
        one.attr for one in node.targets if isinstance(one, ast.Attribute)
    ]:
        yield from stored(node.value, at, text)
    elif isinstance(node, ast.Call):
        keywords = {str(one.arg): one.value for one in node.keywords}
        handed = text.uses(*OTHER_FILES)
        if "storage_path" in keywords and not (handed and "storage_filesystem" in keywords):
            yield from stored(keywords["storage_path"], at, text)
        yield from called(node, keywords, at, text, handed)


def stored(value: ast.AST, at: str, text: Text) -> Iterator[WriterCall]:
    """A `storage_path` of Tune's or Train's."""
    nothing = isinstance(value, ast.Constant) and not isinstance(value.value, str)
    elsewhere = isinstance(value, ast.Constant) and not str(value.value).startswith("gs:")
    if text.uses(*TRAINERS) and not nothing and not elsewhere:
        where = f"storage_path at {at} creates a folder, which looks up the bucket"
        yield WriterCall("writes", where, (value,), "storage_path")


def called(
    node: ast.Call, keywords: Mapping[str, ast.expr], at: str, text: Text, handed: bool
) -> Iterator[WriterCall]:
    """A call of Ray Data's or pyarrow's, or pandas', which writes partitions with pyarrow."""
    name, whole = name_of(node.func), text.dotted(node.func)
    makes = f"{name} at {at} creates a folder, which looks up the bucket"
    if handed and ("filesystem" in keywords or name == "create_dir"):
        return
    if whole.startswith("ray.data.read_") or whole in PYARROW_READERS:
        yield WriterCall(
            "reads", f"{name} at {at} looks up the bucket because it reads all of it", given(node, 0, "")
        )
    elif name in DATASET_WRITERS and isinstance(node.func, ast.Attribute) and not whole:
        if text.uses("ray.data") and not is_false(keywords.get("try_create_dir")):
            yield WriterCall("writes", makes, given(node, 0, "path"))
    elif whole in PYARROW_WRITERS:
        if not is_false(keywords.get("create_dir")):
            yield WriterCall("writes", makes, given(node, *PYARROW_WRITERS[whole]))
    elif name == "create_dir" and isinstance(node.func, ast.Attribute):
        if text.uses("pyarrow") and not is_false(keywords.get("recursive")):
            yield WriterCall("writes", makes, given(node, 0, "path"))
    elif name == "to_parquet" and "partition_cols" in keywords:
        yield WriterCall("writes", makes, given(node, 0, "path"))


def given(node: ast.Call, position: int, keyword: str) -> tuple[ast.AST, ...]:
    """The argument at a position or of a name; all of them where it isn't told apart."""
    if len(node.args) > position:
        return (node.args[position],)
    named = [one.value for one in node.keywords if one.arg == keyword]
    return tuple(named or [one.value for one in node.keywords])


def is_false(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
