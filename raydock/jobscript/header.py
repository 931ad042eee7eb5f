"""The job script's header: its PEP 723 block and the `[tool.submit]` table in it.

    # /// script
    # requires-python = ">=3.10"
    # dependencies = ["scikit-learn"]
    #
    # [tool.submit]
    # reads = ["gs://lab-data/digits.parquet"]     # a URI, or the name of a job argument that holds one
    # writes = ["--output=gs://lab-models/out/"]   # … with what that argument is by default
    # folders = ["--output"]                       # which of `writes` Ray or pyarrow makes folders for, where the
    #                                              #   script doesn't tell: that takes storage.buckets.get
    # env = ["WANDB_MODE"]                         # environment variables that travel with the job
    # files = ["settings.toml", "data/*.csv"]      # what travels beside the script and what it imports
    # [tool.submit.entrypoint]                     # what the entrypoint itself reserves
    # cpus = 1
    # [tool.submit.needs]                          # what the whole cluster must have at least
    # cpus = 2
    # [tool.uv.sources]                            # as uv has it: uv_sources.py
    # ///

Source of the block's form: https://packaging.python.org/en/latest/specifications/inline-script-metadata/
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
    """What is reserved or needed. CPUs and GPUs are counts (fractions allowed), memory is in bytes."""

    cpus: float = 0
    gpus: float = 0
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """What a job script says of itself. A script without a header declares nothing."""

    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    folders: tuple[str, ...] | None = None  # None: what the script's text says
    env: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    entrypoint: Resources = Resources()
    needs: Resources = Resources()
    index: str = ""  # the package index to use in place of pip's own
    refused: Mapping[str, str] = field(default_factory=dict)  # a dependency that the cluster can't get → why
    written: bool = False  # whether there is a block


def read_header(source: str, name: str) -> Header:
    """The header of a script's source. Raises UsageError that names the key, its line and what it may be."""
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
    """A block that was opened, but that PEP 723 doesn't take as one, would be ignored in silence."""
    opening = OPENING.search(source)
    if opening and not EMPTY.match(
        source, opening.start()
    ):  # which PEP 723's own form leaves out, and says nothing
        line = source.count("\n", 0, opening.start()) + 1
        raise UsageError(
            f"{name}:{line}: the '# /// script' block is not closed, or a line in it does not begin with '# '.",
            "end the block with a line '# ///' and begin each of its lines with '# '",
        )


def parse_block(content: str, name: str, first_line: int) -> dict[str, Any]:
    """The TOML of a block; a fault is told with the line in the script."""
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
        raise UsageError(f"{name}:{line}: the header is not TOML: {reason}.", "correct that line") from None


def of_toml(block: dict[str, Any]) -> dict[str, Any]:
    """The block. Raises ValueError for an integer beyond TOML's 64 bits, which Python reads and can't always print."""
    waiting: list[Any] = [block]
    while waiting:
        value = waiting.pop()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("Integer of more than 64 bits")
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return block


def header_of(block: Mapping[str, Any], name: str) -> Header:
    """A header from its parsed block, every key and type checked."""
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
                f"{name}: tool.submit.env has {variable!r}, where the name of a variable was expected.",
                "name it here, and give its value where you send the job: --env NAME=VALUE",
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
    """Refuses a key that nobody reads, with the one that was probably meant."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
            raise UsageError(f"{name}: the header has an unknown key {prefix + key!r}.", hint)


def table(value: object, key: str, name: str) -> Mapping[str, Any]:
    """A table of the header."""
    if not isinstance(value, dict):
        raise wrong_type(name, key, "a table", value)
    return value


def strings(given: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    """A list of strings of the header; a missing one is empty."""
    value = given.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise wrong_type(name, key, 'a list of strings such as ["a", "b"]', value)
    return tuple(value)


def resources(value: object, key: str, name: str) -> Resources:
    """A table of resources: counts that are not negative, memory as bytes or as "2GiB"."""
    given = dict(table(value, key, name))
    known_only(given, {item.name for item in fields(Resources)}, key + ".", name)
    if "memory" in given:
        size = memory_bytes(given["memory"])
        if size is None:
            raise wrong_type(name, f"{key}.memory", 'bytes, or a text such as "2GiB"', given["memory"])
        given["memory"] = size
    counts = {"cpus": given.get("cpus", 0), "gpus": given.get("gpus", 0)}
    counts.update({f"resources.{k}": v for k, v in table(given.get("resources", {}), key, name).items()})
    for what, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, float)) or not 0 <= count < 1e9:
            raise wrong_type(name, f"{key}.{what}", "a number that is not negative", count)
    return Resources(**given)


def memory_bytes(value: object) -> int | None:
    """Bytes from a whole number, or from a text such as "512MiB" or "2g" (powers of 1,024); None for others."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    try:
        return size(str(value)) if value is not True else None
    except ValueError:
        return None


def checked_requirements(dependencies: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The dependencies, each of which is a PEP 508 requirement whose marker can be evaluated."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement, Requirement

    from .dependencies import applies

    for dependency in dependencies:
        try:
            applies(Requirement(dependency), "3.11.0")
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName) as fault:
            reason = str(fault).splitlines()[0].rstrip(".")
            raise UsageError(
                f"{name}: the dependency {dependency!r} is not a requirement: {reason}.",
                'write it as pip takes it, such as "scikit-learn>=1.5"',
            ) from None
    return dependencies


def checked_python(specifier: str, name: str) -> str:
    """The Python versions that the script runs on, as a PEP 440 specifier."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(specifier)
    except InvalidSpecifier:
        raise wrong_type(name, "requires-python", 'a specifier such as ">=3.10"', specifier) from None
    return specifier


def wrong_type(name: str, key: str, wanted: str, value: object) -> UsageError:
    """The error of a key whose value has another form."""
    return UsageError(f"{name}: the header's {key!r} is {value!r}.", f"make it {wanted}")
