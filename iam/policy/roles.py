"""Roles and their permissions, from roles.yaml (Google's own, with sources) and from the caller (custom roles)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType

from iam.errors import MalformedRoles, UnknownRole
from iam.policy.document import DocumentReader
from iam.policy.ternary import Ternary, known

FILE = Path(__file__).with_name("roles.yaml")
ROLE_KEYS = ("source", "stage", "note", "permissions")
READ = DocumentReader(MalformedRoles)
NO_EXTRA: Mapping[str, frozenset[str]] = MappingProxyType({})
EXCERPT = "The permissions are an excerpt: only those of the services covered."


@dataclass(frozen=True, slots=True)
class Role:
    """`permissions` is complete for the permissions that begin with one of `services`, and says nothing of others."""

    name: str
    permissions: frozenset[str]
    source: str = ""
    note: str = ""
    services: tuple[str, ...] = ("",)  # every permission begins with "": nothing is left out
    stage: str = "GA"

    def holds(self, permission: str) -> Ternary:
        """UNKNOWN for a permission outside the services covered."""
        if permission in self.permissions:
            return Ternary.TRUE
        return known(False) if permission.startswith(self.services) else Ternary.UNKNOWN


@cache
def roles() -> Mapping[str, Role]:
    """Google's roles by name."""
    return load_roles()


def load_roles(extra: Mapping[str, frozenset[str]] = NO_EXTRA, file: Path = FILE) -> Mapping[str, Role]:
    """Google's roles and custom ones, given as name → all of its permissions. Raises MalformedRoles."""
    custom = {name: Role(name, frozenset(held), source="custom role") for name, held in extra.items()}
    return MappingProxyType({**_read(file), **custom})


def find(name: str, known_roles: Mapping[str, Role] | None = None) -> Role:
    """The role of that name. Raises UnknownRole, with the name that was probably meant."""
    there = roles() if known_roles is None else known_roles
    if name in there:
        return there[name]
    near = get_close_matches(name if "/" in name else f"roles/{name}", there, n=1)
    raise UnknownRole(f'The role "{name}" is not known here.', f"Did you mean {near[0]}?" if near else "")


def _read(file: Path) -> dict[str, Role]:
    import yaml  # the one optional dependency of this package, needed only here

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedRoles(f"The file of roles {file.name} can't be read: {error}.") from error
    except yaml.YAMLError as error:
        raise MalformedRoles(
            f"The file of roles {file.name} is no YAML: {' '.join(str(error).split())}."
        ) from error
    fields = READ.keys(document, ("covers", "roles"), file.name)
    covers = READ.texts(fields.get("covers"), f"{file.name}: covers")
    entries = READ.mapping(fields.get("roles"), f"{file.name}: roles")
    return {str(name): _role(str(name), entry, covers, file.name) for name, entry in entries.items()}


def _role(name: str, entry: object, covers: tuple[str, ...], file: str) -> Role:
    where = f"{file}: {name}"
    fields = READ.keys(entry, ROLE_KEYS, where)
    if not str(fields.get("source", "")).startswith("https://"):
        raise MalformedRoles(f"{where} has no source, which is the https:// page that lists its permissions.")
    held = frozenset(
        f"{resource}.{verb}"
        for resource, verbs in READ.mapping(fields.get("permissions"), f"{where}: permissions").items()
        for verb in READ.texts(verbs, f"{where}: {resource}")
    )
    outside = sorted(permission for permission in held if not permission.startswith(covers))
    if outside:
        raise MalformedRoles(f"{where} has {outside[0]}, which begins with nothing that `covers` lists.")
    note = " ".join(filter(None, (str(fields.get("note", "")), EXCERPT)))
    return Role(name, held, str(fields["source"]), note, covers, str(fields.get("stage", "GA")))
