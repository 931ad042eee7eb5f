"""Roles and their permissions: Google's from roles.yaml, with their sources, and the caller's custom roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType

from iam.errors import MalformedRoles, UnknownRole
from iam.policy.document import DocumentReader
from iam.policy.ternary import Ternary, any_of, from_bool

FILE = Path(__file__).with_name("roles.yaml")
ROLE_KEYS = ("source", "stage", "note", "permissions")
READ = DocumentReader(MalformedRoles)
NO_EXTRA: Mapping[str, frozenset[str]] = MappingProxyType({})
EXCERPT = "The permissions are an excerpt: only those of the services covered."


@dataclass(frozen=True, slots=True)
class Role:
    """A role. `permissions` is complete for permissions that start with one of `services`; others are unknown."""

    name: str
    permissions: frozenset[str]
    source: str = ""
    note: str = ""
    services: tuple[str, ...] = ("",)  # every permission starts with "": the list is complete
    stage: str = "GA"

    def holds(self, permission: str) -> Ternary:
        """Whether the role includes a permission; UNKNOWN outside the services covered."""
        if permission in self.permissions:
            return Ternary.TRUE
        return from_bool(False) if permission.startswith(self.services) else Ternary.UNKNOWN


@cache
def roles() -> Mapping[str, Role]:
    """Google's roles by name."""
    return load_roles()


def exists(permission: str) -> Ternary:
    """Whether Google has a permission with this name; UNKNOWN outside the services covered.

    A permission that no predefined role includes counts as missing.
    """
    parts = permission.split(".")
    if len(parts) < 3 or not all(part.isalnum() for part in parts):
        return Ternary.FALSE
    return any_of(role.holds(permission) for role in roles().values())


def load_roles(extra: Mapping[str, frozenset[str]] = NO_EXTRA, file: Path = FILE) -> Mapping[str, Role]:
    """Load Google's roles from `file` and add custom ones, name → all permissions. Raises MalformedRoles."""
    custom = {name: Role(name, frozenset(held), source="custom role") for name, held in extra.items()}
    return MappingProxyType({**(_google() if file == FILE else _read(file)), **custom})


def find(name: str, known_roles: Mapping[str, Role] | None = None) -> Role:
    """The role with that name. Raises UnknownRole, with a suggestion."""
    candidates = roles() if known_roles is None else known_roles
    if name in candidates:
        return candidates[name]
    near = get_close_matches(name if "/" in name else f"roles/{name}", candidates, n=1)
    raise UnknownRole(f'Unknown role "{name}".', f"Did you mean {near[0]}?" if near else "")


@cache
def _google() -> Mapping[str, Role]:
    return _read(FILE)


def _read(file: Path) -> dict[str, Role]:
    import yaml  # this package's only dependency, used only here

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedRoles(f"Could not read the role file {file.name}: {error}.") from error
    except yaml.YAMLError as error:
        raise MalformedRoles(
            f"The role file {file.name} is not valid YAML: {' '.join(str(error).split())}."
        ) from error
    fields = READ.keys(document, ("covers", "roles"), file.name)
    covers = READ.texts(fields.get("covers"), f"{file.name}: covers")
    entries = READ.mapping(fields.get("roles"), f"{file.name}: roles")
    return {str(name): _role(str(name), entry, covers, file.name) for name, entry in entries.items()}


def _role(name: str, entry: object, covers: tuple[str, ...], file: str) -> Role:
    where = f"{file}: {name}"
    fields = READ.keys(entry, ROLE_KEYS, where)
    if not str(fields.get("source", "")).startswith("https://"):
        raise MalformedRoles(f"{where} needs a source: the https:// page that lists its permissions.")
    held = frozenset(
        f"{resource}.{verb}"
        for resource, verbs in READ.mapping(fields.get("permissions"), f"{where}: permissions").items()
        for verb in READ.texts(verbs, f"{where}: {resource}")
    )
    outside = sorted(permission for permission in held if not permission.startswith(covers))
    if outside:
        raise MalformedRoles(f"{where} includes {outside[0]}, which matches no prefix in `covers`.")
    note = " ".join(filter(None, (str(fields.get("note", "")), EXCERPT)))
    return Role(name, held, str(fields["source"]), note, covers, str(fields.get("stage", "GA")))
