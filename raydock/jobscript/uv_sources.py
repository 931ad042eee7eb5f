"""The sources of dependencies in a script's header: `[tool.uv]`, as far as pip on the cluster supports it.

Never falls back silently to the default index, where an internal name may belong to another package.
Source: https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from raydock.answers import mapping, rows, texts

from .dependencies import name_of, requirement

if TYPE_CHECKING:
    from packaging.requirements import Requirement

LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}
HERE = "which is on this machine, not on the cluster"


@dataclass(frozen=True, slots=True)
class Sources:
    """The dependencies in pip's notation, their index ("" for pip's default), and those that pip can't install.

    `refused` maps a dependency to the reason.
    """

    dependencies: tuple[str, ...]
    index: str
    refused: Mapping[str, str]


def resolve(dependencies: Sequence[str], uv: Mapping[str, Any]) -> Sources:
    """Apply `[tool.uv]` to the dependencies, which must be valid requirements."""
    sources = {normal(name): value for name, value in mapping(uv.get("sources")).items()}
    index, wide = indexes(uv)
    found, refused = [], {}
    for text in dependencies:
        wanted = requirement(text)
        source = chosen(sources.get(name_of(wanted)))
        try:
            found.append(located(wanted, text, source))
        except Elsewhere as why:
            found.append(text)
            refused[text] = str(why)
            continue
        if wide and not source and not wanted.url:
            refused[text] = f"may come from {wide}, but pip can't prefer one index over another"
    return Sources(tuple(found), index, refused)


class Elsewhere(Exception):
    """The cluster can't use this source. The message is the reason."""


def located(wanted: Requirement, text: str, source: Mapping[str, Any]) -> str:
    """The requirement with its source's URL. Raises Elsewhere."""
    if wanted.url and scheme(wanted.url) in ("", "file"):
        raise Elsewhere(f"comes from {wanted.url}, {HERE}")
    if not source:
        return text
    if "url" in source:
        address = str(source["url"])
        if scheme(address) not in ("http", "https"):
            raise Elsewhere(f"comes from {address}, {HERE}")
    elif "git" in source:
        address = git_address(source)
    else:
        place = next((f"{key} = {source[key]!r}" for key in ("path", "workspace") if key in source), "")
        if place:
            raise Elsewhere(f"comes from {place}, {HERE}")
        raise Elsewhere(
            f"comes only from the index {source.get('index')!r}, but pip can't use an index for a single package"
        )
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    marker = f" ; {wanted.marker}" if wanted.marker else ""
    return f"{wanted.name}{extras} @ {address}{marker}"


def git_address(source: Mapping[str, Any]) -> str:
    """A repository in pip's notation. Raises Elsewhere for a local one."""
    address = str(source["git"])
    if scheme(address) not in ("http", "https", "ssh", "git"):
        raise Elsewhere(f"comes from {address}, {HERE}")
    revision = next((f"@{source[key]}" for key in ("rev", "tag", "branch") if source.get(key)), "")
    below = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
    return f"git+{address.removeprefix('git+')}{revision}{below}"


def scheme(address: str) -> str:
    """The scheme of a URL. Raises Elsewhere for an invalid one."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        raise Elsewhere(f"comes from {address}, which is not a URL") from None


def indexes(uv: Mapping[str, Any]) -> tuple[str, str]:
    """The index that replaces pip's default, and one that uv would also use; "" if there is none."""
    listed = rows(uv.get("index"))
    default = next((str(one.get("url", "")) for one in listed if one.get("default")), "")
    default = default or str(uv.get("index-url") or "")
    besides = [
        str(one.get("url", "")) for one in listed if not one.get("default") and not one.get("explicit")
    ]
    for key in ("extra-index-url", "find-links"):
        value = uv.get(key)
        besides += [value] if isinstance(value, str) and value else texts(value)
    return default, next(iter(besides), "")


def chosen(source: object) -> Mapping[str, Any]:
    """The source that applies on Linux, if there are several with markers."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    if not isinstance(source, list):
        return mapping(source)
    for one in map(mapping, source):
        try:
            if not one.get("marker") or Marker(str(one["marker"])).evaluate(LINUX):
                return one
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
            continue
    return {}


def normal(name: str) -> str:
    """The normalized name of a package."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
