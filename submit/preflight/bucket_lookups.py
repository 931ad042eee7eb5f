"""Find the declared URIs whose bucket Ray or pyarrow will look up, from the job's source.

`pyarrow.fs.GcsFileSystem.create_dir` reads the bucket's metadata, which requires storage.buckets.get, a permission that
no object role includes. Ray Tune and Train call it for `storage_path` (ray/train/_internal/storage.py), Ray Data in
all of its writers (ray/data/datasource/file_datasink.py). Reads require it only for a bucket as a whole. pyarrow's
other calls, google-cloud-storage and gcsfs do not require it.

A call concerns the declarations that its arguments mention, followed through assignments and parameters. A call that
mentions none of them may concern any, unless it is known to concern something else.
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
PYARROW_WRITERS = {  # position and name of the folder argument
    "pyarrow.dataset.write_dataset": (1, "base_dir"),
    "pyarrow.parquet.write_to_dataset": (1, "root_path"),
    "pyarrow.fs.copy_files": (1, "destination"),
}
PYARROW_READERS = ("pyarrow.parquet.read_table", "pyarrow.parquet.ParquetDataset", "pyarrow.dataset.dataset")
OTHER_FILES = ("gcsfs", "fsspec")  # a file system that is passed in comes from these, and creates no folders
LOCAL_PATH_NAMES = frozenset({"tempfile", "mkdtemp", "gettempdir", "expanduser", "getcwd"})


@dataclass(frozen=True, slots=True)
class WriterCall:
    """A call that looks up the bucket of what it reads or writes.

    kind: "reads" or "writes".
    where: the call and its line, as text.
    about: the expressions that determine the URI.
    argument: the job's argument that the call concerns if `about` does not determine the URI.
    """

    kind: str
    where: str
    about: tuple[ast.AST, ...]
    argument: str = ""


def lookups(header: Header, trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Map entries of the header's `reads` and `writes` to the line that looks up their bucket.

    trees: the job's modules by name. The header's `folders`, if given, overrides what they show about writes.
    """
    found: dict[str, str] = {}
    calls = [call for call in calls_in(trees) if header.folders is None or call[0].kind == "reads"]
    for call, text in calls:
        for entry in concerned(call, header.reads if call.kind == "reads" else header.writes, text):
            found.setdefault(entry, call.where)
    for name in header.folders or ():
        found |= dict.fromkeys(declared(header, name), f'folders = "{name}"')
    return found


def declared(header: Header, name: str) -> list[str]:
    """The entries of `writes` that an entry of `folders` names. Raises UsageError if there are none."""
    entries = [entry for entry in header.writes if bare(entry) == bare(name)]
    if not entries:
        hint = f"folders = {list(header.writes)[:1]}" if header.writes else f'writes = ["{name}"]'
        raise UsageError(f"The header's folders lists {name!r}, which is not in its writes.", hint)
    return entries


def concerned(call: WriterCall, entries: Iterable[str], text: Text) -> list[str]:
    """The entries that a call concerns."""
    entries = list(entries)
    names, texts, known = text.mentioned(call.about)
    uris = [one for one in texts if one.startswith("gs://")]
    about = [
        entry
        for entry in entries
        if bare(entry) in names or any(entry.startswith(one) or one.startswith(entry) for one in uris)
    ]
    about = about or [entry for entry in entries if bare(entry) == call.argument]
    return about if about or known or names & LOCAL_PATH_NAMES else entries


def parsed(sources: Mapping[str, bytes]) -> dict[str, ast.Module]:
    """The syntax trees of the modules that parse. Packaging reports the others."""
    trees = {}
    for name, source in sources.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the module's own warnings, shown when it runs
                trees[name] = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return trees


def calls_in(trees: Mapping[str, ast.Module]) -> list[tuple[WriterCall, Text]]:
    """The calls that look up a bucket."""
    text = Text()
    for tree in trees.values():
        text.read(tree)
    for tree in trees.values():
        text.pass_arguments(tree)
    return [
        (call, text)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        for call in lookup_calls(node, name, text)
    ]


def lookup_calls(node: ast.AST, name: str, text: Text) -> Iterator[WriterCall]:
    """The calls in one node that look up a bucket."""
    at = f"{name}:{getattr(node, 'lineno', 0)}"
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "storage_path":
                yield from storage_path_calls(value, at, text)
    elif isinstance(node, ast.Assign) and "storage_path" in [
        one.attr for one in node.targets if isinstance(one, ast.Attribute)
    ]:
        yield from storage_path_calls(node.value, at, text)
    elif isinstance(node, ast.Call):
        keywords = {str(one.arg): one.value for one in node.keywords}
        own_filesystem = text.uses(*OTHER_FILES)
        if "storage_path" in keywords and not (own_filesystem and "storage_filesystem" in keywords):
            yield from storage_path_calls(keywords["storage_path"], at, text)
        yield from library_calls(node, keywords, at, text, own_filesystem)


def storage_path_calls(value: ast.AST, at: str, text: Text) -> Iterator[WriterCall]:
    """The lookup that a `storage_path` of Tune or Train causes, if any."""
    nothing = isinstance(value, ast.Constant) and not isinstance(value.value, str)
    elsewhere = isinstance(value, ast.Constant) and not str(value.value).startswith("gs:")
    if text.uses(*TRAINERS) and not nothing and not elsewhere:
        where = f"storage_path at {at} creates a folder, for which it looks up the bucket"
        yield WriterCall("writes", where, (value,), "storage_path")


def library_calls(
    node: ast.Call, keywords: Mapping[str, ast.expr], at: str, text: Text, own_filesystem: bool
) -> Iterator[WriterCall]:
    """The lookup that a call to Ray Data, pyarrow or pandas causes, if any. pandas writes partitions with pyarrow."""
    name, whole = name_of(node.func), text.dotted(node.func)
    reason = f"{name} at {at} creates a folder, for which it looks up the bucket"
    if own_filesystem and ("filesystem" in keywords or name == "create_dir"):
        return
    if whole.startswith("ray.data.read_") or whole in PYARROW_READERS:
        reason = f"{name} at {at} reads a whole bucket, for which it looks up the bucket"
        yield WriterCall("reads", reason, given(node, 0, ""))
    elif name in DATASET_WRITERS and isinstance(node.func, ast.Attribute) and not whole:
        if text.uses("ray.data") and not is_false(keywords.get("try_create_dir")):
            yield WriterCall("writes", reason, given(node, 0, "path"))
    elif whole in PYARROW_WRITERS:
        if not is_false(keywords.get("create_dir")):
            yield WriterCall("writes", reason, given(node, *PYARROW_WRITERS[whole]))
    elif name == "create_dir" and isinstance(node.func, ast.Attribute):
        if text.uses("pyarrow") and not is_false(keywords.get("recursive")):
            yield WriterCall("writes", reason, given(node, 0, "path"))
    elif name == "to_parquet" and "partition_cols" in keywords:
        yield WriterCall("writes", reason, given(node, 0, "path"))


def given(node: ast.Call, position: int, keyword: str) -> tuple[ast.AST, ...]:
    """The argument at `position` or named `keyword`; all keyword arguments if neither is given."""
    if len(node.args) > position:
        return (node.args[position],)
    named = [one.value for one in node.keywords if one.arg == keyword]
    return tuple(named or [one.value for one in node.keywords])


def is_false(node: ast.AST | None) -> bool:
    """Whether an expression is the constant False."""
    return isinstance(node, ast.Constant) and node.value is False
