"""The job script's header: its PEP 723 block and the `[tool.submit]` table in it.

    # /// script
    # requires-python = ">=3.10"
    # dependencies = ["scikit-learn"]
    #
    # [tool.submit]
    # reads = ["gs://lab-data/digits.parquet"]     # a URI, or the name of a job argument that contains one
    # writes = ["--output=gs://lab-models/out/"]   # … with that argument's default
    # folders = ["--output"]                       # the `writes` in which Ray or pyarrow creates folders, which
    #                                              #   requires storage.buckets.get; default: found in the source
    # env = ["WANDB_MODE"]                         # environment variables sent with the job
    # files = ["settings.toml", "data/*.csv"]      # files sent in addition to the script and its imports
    # [tool.submit.entrypoint]                     # what the entrypoint itself reserves
    # cpus = 1
    # [tool.submit.needs]                          # the minimum for the whole cluster
    # cpus = 2
    # [tool.uv.sources]                            # as in uv: uv_sources.py
    # ///

Source of the block's format: https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from raydock.errors import UsageError
from raydock.units import size

BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
EMPTY = re.compile(r"# /// script\n# ///[ \t]*$", re.MULTILINE)
OPENING = re.compile(r"(?m)^#\s*///\s*script\s*$")


@dataclass(frozen=True, slots=True)
class Resources:
    """Reserved or required resources. CPUs and GPUs are counts (fractions allowed); memory is in bytes."""

    cpus: float = 0
    gpus: float = 0
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """What a job script declares. A script without a header declares nothing."""

    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    folders: tuple[str, ...] | None = None  # None: found in the source
    env: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    entrypoint: Resources = Resources()
    needs: Resources = Resources()
    index: str = ""  # the package index to use instead of pip's default
    refused: Mapping[str, str] = field(default_factory=dict)  # dependencies that can't be installed → why
    written: bool = False  # whether there is a block


def read_header(source: str, name: str) -> Header:
    """Parse the header in a script's source. Raises UsageError with the key, its line and the allowed values."""
    blocks = [match for match in BLOCK.finditer(source) if match["type"] == "script"]
    if len(blocks) > 1:
        line = source.count("\n", 0, blocks[1].start()) + 1
        raise UsageError(
            f"{name} has two '# /// script' blocks; the second is at line {line}.", "keep one of them"
        )
    if not blocks:
        refuse_broken_block(source, name)
        return Header()
    first = source.count("\n", 0, blocks[0].start("content")) + 1
    return header_of(parse_block(blocks[0]["content"], name, first), name)


def refuse_broken_block(source: str, name: str) -> None:
    """Raise UsageError for a block that is opened, but that PEP 723 would silently ignore."""
    opening = OPENING.search(source)
    if opening and not EMPTY.match(source, opening.start()):  # empty, which PEP 723's pattern does not match
        line = source.count("\n", 0, opening.start()) + 1
        raise UsageError(
            f"{name}:{line}: the '# /// script' block is not closed, or a line in it does not begin with '# '.",
            "end the block with a line '# ///' and begin each of its lines with '# '",
        )


def parse_block(content: str, name: str, first_line: int) -> dict[str, Any]:
    """The TOML of a block. Raises UsageError with the line number in the script."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    lines = [line[2:] if line.startswith("# ") else line[1:] for line in content.splitlines()]
    try:
        return of_toml(tomllib.loads("\n".join(lines)))
    except (ValueError, RecursionError) as fault:
        at = re.search(r"\(at line (\d+)", str(fault))
        line = first_line - 1 + int(at[1]) if at else first_line
        reason = (
            "it is nested too deeply" if isinstance(fault, RecursionError) else str(fault).split(" (at")[0]
        )
        raise UsageError(
            f"{name}:{line}: the header is not valid TOML: {reason}.", "correct that line"
        ) from None


def of_toml(block: dict[str, Any]) -> dict[str, Any]:
    """The block. Raises ValueError for an integer beyond TOML's 64 bits, which Python can read but not always print."""
    waiting: list[Any] = [block]
    while waiting:
        value = waiting.pop()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("Integer with more than 64 bits")
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return block


def header_of(block: Mapping[str, Any], name: str) -> Header:
    """A header from its parsed block. Checks all keys and types; raises UsageError."""
    tool = table(block.get("tool", {}), "tool", name)
    submit = table(tool.get("submit", {}), "tool.submit", name)
    known_only(block, {"requires-python", "dependencies", "tool"}, "", name)
    known_only(
        submit, {"reads", "writes", "folders", "env", "files", "entrypoint", "needs"}, "tool.submit.", name
    )
    python = block.get("requires-python", "")
    if not isinstance(python, str):
        raise wrong_type(name, "requires-python", 'a string such as ">=3.10"', python)
    lists = {key: strings(submit, key, name) for key in ("reads", "writes", "env", "files")}
    for variable in lists["env"]:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            raise UsageError(
                f"{name}: tool.submit.env contains {variable!r}, which is not a variable name.",
                "list only the name, and pass the value when you submit the job: --env NAME=VALUE",
            )
    dependencies = checked_requirements(strings(block, "dependencies", name), name)
    from . import uv_sources

    sources = uv_sources.resolve(dependencies, table(tool.get("uv", {}), "tool.uv", name))
    return Header(
        requires_python=checked_python(python, name),
        dependencies=sources.dependencies,
        index=sources.index,
        refused=sources.refused,
        written=True,
        entrypoint=resources(submit.get("entrypoint", {}), "tool.submit.entrypoint", name),
        needs=resources(submit.get("needs", {}), "tool.submit.needs", name),
        folders=strings(submit, "folders", name) if "folders" in submit else None,
        **lists,
    )


def known_only(given: Mapping[str, Any], known: set[str], prefix: str, name: str) -> None:
    """Raise UsageError for an unknown key, with the closest known one."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            raise UsageError(f"{name}: the header has an unknown key {prefix + key!r}.", hint)


def table(value: object, key: str, name: str) -> Mapping[str, Any]:
    """A table in the header. Raises UsageError for another type."""
    if not isinstance(value, dict):
        raise wrong_type(name, key, "a table", value)
    return value


def strings(given: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    """A list of strings in the header; empty if missing. Raises UsageError for another type."""
    value = given.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise wrong_type(name, key, 'a list of strings such as ["a", "b"]', value)
    return tuple(value)


def resources(value: object, key: str, name: str) -> Resources:
    """A table of resources: non-negative counts, and memory in bytes or as "2GiB". Raises UsageError."""
    given = dict(table(value, key, name))
    known_only(given, {item.name for item in fields(Resources)}, key + ".", name)
    if "memory" in given:
        size = memory_bytes(given["memory"])
        if size is None:
            raise wrong_type(
                name, f"{key}.memory", 'a number of bytes, or a string such as "2GiB"', given["memory"]
            )
        given["memory"] = size
    counts = {"cpus": given.get("cpus", 0), "gpus": given.get("gpus", 0)}
    counts.update({f"resources.{k}": v for k, v in table(given.get("resources", {}), key, name).items()})
    for what, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, float)) or not 0 <= count < 1e9:
            raise wrong_type(name, f"{key}.{what}", "a non-negative number", count)
    return Resources(**given)


def memory_bytes(value: object) -> int | None:
    """Bytes from an integer, or from a string such as "512MiB" or "2g" (powers of 1,024); None if invalid."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    try:
        return size(str(value)) if value is not True else None
    except ValueError:
        return None


def checked_requirements(dependencies: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The dependencies, validated as PEP 508 requirements whose markers can be evaluated. Raises UsageError."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement, Requirement

    from .dependencies import applies

    for dependency in dependencies:
        try:
            applies(Requirement(dependency), "3.11.0")
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName) as fault:
            reason = str(fault).splitlines()[0].rstrip(".")
            raise UsageError(
                f"{name}: the dependency {dependency!r} is not a valid requirement: {reason}.",
                'use the format of pip, such as "scikit-learn>=1.5"',
            ) from None
    return dependencies


def checked_python(specifier: str, name: str) -> str:
    """The supported Python versions, validated as a PEP 440 specifier. Raises UsageError."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(specifier)
    except InvalidSpecifier:
        raise wrong_type(name, "requires-python", 'a specifier such as ">=3.10"', specifier) from None
    return specifier


def wrong_type(name: str, key: str, wanted: str, value: object) -> UsageError:
    """The error for a key with an invalid value."""
    return UsageError(f"{name}: the header's {key!r} is {value!r}.", f"make it {wanted}")
