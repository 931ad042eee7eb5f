"""Where a script's header says that its dependencies come from: `[tool.uv]`, as far as pip on the cluster can do it.

Never in silence from the default index: an internal name may be somebody else's package there.
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
HERE = "which is on this machine, and not on the cluster"


@dataclass(frozen=True, slots=True)
class Sources:
    """The dependencies as pip takes them, the index they come from ("" for pip's own), and those it can't get.

    `refused`: dependency → why.
    """

    dependencies: tuple[str, ...]
    index: str
    refused: Mapping[str, str]


def resolve(dependencies: Sequence[str], uv: Mapping[str, Any]) -> Sources:
    """What `[tool.uv]` makes of the dependencies, each a valid requirement."""
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
            refused[text] = f"may come from {wide}, and pip can't be told to prefer one index to another"
    return Sources(tuple(found), index, refused)


class Elsewhere(Exception):
    """The source is one that the cluster can't use."""


def located(wanted: Requirement, text: str, source: Mapping[str, Any]) -> str:
    """The requirement with its address. Raises Elsewhere."""
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
            f"comes from the index {source.get('index')!r} alone, and pip can't be told so for one package"
        )
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    marker = f" ; {wanted.marker}" if wanted.marker else ""
    return f"{wanted.name}{extras} @ {address}{marker}"


def git_address(source: Mapping[str, Any]) -> str:
    """A repository as pip writes it. Raises Elsewhere for one of this machine."""
    address = str(source["git"])
    if scheme(address) not in ("http", "https", "ssh", "git"):
        raise Elsewhere(f"comes from {address}, {HERE}")
    revision = next((f"@{source[key]}" for key in ("rev", "tag", "branch") if source.get(key)), "")
    below = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
    return f"git+{address.removeprefix('git+')}{revision}{below}"


def scheme(address: str) -> str:
    """What the address begins with. Raises Elsewhere for one that can't be a URL."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        raise Elsewhere(f"comes from {address}, which is not a URL") from None


def indexes(uv: Mapping[str, Any]) -> tuple[str, str]:
    """The index that takes the place of pip's own, and one that uv would ask besides; "" where there is none."""
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
    """The source that holds on Linux, of several with markers."""
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
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
