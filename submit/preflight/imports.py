"""Is each module that the job imports there: among what travels, in Python, on the cluster, or declared?"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from ..dependencies import name_of as package_of
from ..dependencies import requirement
from ..facts import Facts
from ..findings import Finding, denied, unknown
from ..ray_extras import PARTS
from . import distributions
from .draft import Draft, counted
from .installs import installed_by
from .reach import Imported, Reach, imported
from .shadowing import INSTALLED, module_of

SHOWN = 5
# Standard modules that not every Python has: the first and the last minor version of Python 3 that does.
SINCE = {"tomllib": 11, "annotationlib": 14, "compression": 14}
UNTIL = {
    "binhex": 10,
    "asynchat": 11, "asyncore": 11, "distutils": 11, "imp": 11, "smtpd": 11,
    "aifc": 12, "audioop": 12, "cgi": 12, "cgitb": 12, "chunk": 12, "crypt": 12, "imghdr": 12, "lib2to3": 12,
    "mailcap": 12, "nis": 12, "nntplib": 12, "ossaudiodev": 12, "pipes": 12, "sndhdr": 12, "spwd": 12, "sunau": 12,
    "telnetlib": 12, "uu": 12, "xdrlib": 12,
}  # fmt: skip
COLAB = "google.colab"


@dataclass(frozen=True)
class Modules:
    """What the cluster and the package have. `told` is False where neither modules nor packages are known."""

    draft: Draft
    facts: Facts

    @property
    def told(self) -> bool:
        return bool(self.facts.modules or self.facts.packages)

    @cached_property
    def minor(self) -> int:
        """The minor version of the cluster's Python 3; the caller's where it isn't told."""
        parts = self.facts.python.split(".")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else sys.version_info.minor

    @cached_property
    def sent(self) -> frozenset[str]:
        """Top-level modules that travel. Where sys.path is changed, folders anywhere in the package count."""
        anywhere = "PYTHONPATH" in self.draft.env or any(
            isinstance(node, ast.Attribute) and node.attr == "path" and getattr(node.value, "id", "") == "sys"
            for tree in self.draft.modules.values()
            for node in ast.walk(tree)
        )
        tops = {PurePosixPath("."), PurePosixPath(self.draft.name).parent}
        found = set()
        for entry in self.draft.contents.entries:
            path = PurePosixPath(entry.name)
            for above in (path, *path.parents):
                if anywhere or above.parent in tops:
                    found.add(module_of(above.name) if above == path else above.name)
        return frozenset(found)

    @cached_property
    def told_of(self) -> frozenset[str]:
        """Top-level modules of which the packaging says that, and why, they do not travel."""
        return frozenset(one.module.partition(".")[0] for one in self.draft.contents.missing)

    @cached_property
    def installed(self) -> tuple[frozenset[str], frozenset[str]]:
        """Dotted modules of the cluster, and the namespaces above them."""
        modules = self.facts.modules or (
            frozenset() if self.told else INSTALLED - {"google"} | {"google.protobuf"}
        )
        above = {".".join(one.split(".")[:n]) for one in modules for n in range(1, one.count(".") + 1)}
        return frozenset(modules), frozenset(above) - frozenset(modules)

    def standard(self, top: str) -> bool:
        """Is it a module of the cluster's Python?"""
        if top in UNTIL or top in SINCE:
            return SINCE.get(top, 0) <= self.minor <= UNTIL.get(top, 99)
        return top in sys.stdlib_module_names

    def have(self, one: Imported) -> bool:
        """Is the module there?"""
        whole, top = ".".join(one.module), one.module[0]
        if self.standard(top) or top in self.sent or top in self.told_of:
            return True
        modules, namespaces = self.installed
        if any(".".join(one.module[:n]) in modules for n in range(1, len(one.module) + 1)):
            return True
        if whole in namespaces:
            return one.name in ("", "*") or f"{whole}.{one.name}" in modules | namespaces
        packages = self.facts.packages
        return not self.facts.modules and any(
            name in packages for name in distributions.packages_of(dotted(one))
        )


def check_imports(draft: Draft, facts: Facts) -> Iterable[Finding]:
    """Every module that the job imports is there, or will be installed for it."""
    modules = Modules(draft, facts)
    declared = {package_of(requirement(text)) for text in draft.header.dependencies} | installed_by(
        draft.modules
    )
    found = list(missing(draft.modules, modules, declared))
    for name, one, needed in found[:SHOWN]:
        yield finding(name, one, needed, modules, declared)
    if len(found) > SHOWN:
        rest = ", ".join(dotted(one) for _, one, _ in found[SHOWN:])
        yield unknown("imports", f"{counted(len(found) - SHOWN, 'module')} more: {rest}", declare(draft, "…"))


def missing(
    trees: Mapping[str, ast.Module], modules: Modules, declared: set[str]
) -> Iterator[tuple[str, Imported, str]]:
    """The file, the import and the requirement for each module that is neither there nor declared, each once."""
    worst: dict[str, tuple[str, Imported, str]] = {}
    for name, tree in trees.items():
        for one in imported(tree):
            needed = lacks(one, modules, declared) if one.reach is not Reach.PROVIDED else ""
            if needed and (needed not in worst or worst[needed][1].reach < one.reach):
                worst[needed] = (name, one, needed)
    return iter(worst.values())


def lacks(one: Imported, modules: Modules, declared: set[str]) -> str:
    """The requirement that would bring an imported module; "" where none is needed."""
    if one.module[0] == "ray":
        return lacks_part(one, modules, declared)
    if modules.have(one):
        return ""
    packages = distributions.packages_of(dotted(one))
    if declared & set(packages) or distributions.brings(declared, dotted(one)):
        return ""
    return packages[0]


def lacks_part(one: Imported, modules: Modules, declared: set[str]) -> str:
    """A part of Ray needs what its extra requires."""
    extra, needs = PARTS.get(dotted(one), PARTS.get(".".join(one.module[:2]), ("", ())))
    asked = {extra for text in modules.draft.header.dependencies for extra in requirement(text).extras}
    if not needs or not modules.told or asked & {extra, "all"}:
        return ""
    short = [need for need in needs if lacks(Imported((need,), "", one.line, one.reach), modules, declared)]
    return f"ray[{extra}]" if short else ""


def dotted(one: Imported) -> str:
    """The module by its whole name, with what is taken from a namespace."""
    whole = ".".join(one.module)
    return (
        f"{whole}.{one.name}"
        if whole in ("google", "google.cloud", "ray") and one.name not in ("", "*")
        else whole
    )


def finding(file: str, one: Imported, needed: str, modules: Modules, declared: set[str]) -> Finding:
    """DENIED where the line runs for certain and nothing that is installed may bring the module."""
    draft, module = modules.draft, dotted(one)
    where = f"{file}:{one.line} imports {module}"
    if f"{module}.".startswith(f"{COLAB}."):
        text, fix = (
            f"{where}, which exists in Colab only.",
            "take it out, or put it under `try: … except ImportError:`",
        )
    elif local := beside(draft, one.module[0]):
        text, fix = (
            f"{where}, which is in {local} and does not travel.",
            f"--working-dir {common(draft, local)}",
        )
    elif not modules.told:
        text = f"{where}, and the cluster does not say whether it has it."
        return unknown("imports", text, declare(draft, needed))
    elif one.module[0] in UNTIL or one.module[0] in SINCE:
        text = f"{where}, which Python 3.{modules.minor} on the cluster does not have."
        fix = "import it under `try: … except ImportError:`, or use what replaces it"
    elif needed.startswith("ray["):
        text, fix = (
            f"{where}, which needs {needed}, and the cluster has Ray without it.",
            declare(draft, needed),
        )
    else:
        text = f"{where}, which neither travels, nor is installed on the cluster, nor is declared."
        fix = declare(draft, needed)
        if unsure := sorted(
            name for name in declared if not distributions.known(name) and name not in modules.facts.packages
        ):
            return unknown("imports", f"{text[:-1]} (unless {' or '.join(unsure[:3])} brings it).", fix)
    return (denied if one.reach is Reach.ALWAYS else unknown)("imports", text, fix)


def declare(draft: Draft, needed: str) -> str:
    """How a dependency is declared in the script's header, all that are declared with it."""
    listed = ", ".join(f'"{one}"' for one in (*draft.header.dependencies, needed))
    if draft.header.written:
        return f"in the header of {draft.name}: dependencies = [{listed}]"
    return f"at the top of {draft.name}:\n# /// script\n# dependencies = [{listed}]\n# ///"


def beside(draft: Draft, top: str) -> str:
    """The folder or file on this machine that the module is in, near the script or installed from its sources."""
    for base in (draft.folder, *list(draft.folder.parents)[:3]):
        for near in (base, base / "src", base / "lib"):
            if (near / top / "__init__.py").is_file() or (near / f"{top}.py").is_file():
                return str(near)
    return installed_from(top)


def installed_from(top: str) -> str:
    """The folder of a package that is installed from its sources (`pip install -e`), in this environment."""
    from importlib.util import find_spec

    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return ""
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    place = next((Path(one) for one in places if one and Path(one).exists()), None)
    if (
        place is None
        or {"site-packages", "dist-packages"} & set(place.parts)
        or place.is_relative_to(sys.base_prefix)
    ):
        return ""
    return str(place.parent)


def common(draft: Draft, folder: str) -> Path:
    """The nearest folder that holds the script and another folder."""
    return next(one for one in (draft.folder, *draft.folder.parents) if Path(folder).is_relative_to(one))
