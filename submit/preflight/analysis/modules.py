"""Which modules are there when a job runs: of Python, of the cluster's packages, and of what travels."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from raydock.jobscript.reach import Imported, Reach
from raydock.rayapi.cluster_info import ClusterInfo

from ..draft import Draft
from ..shadowing import INSTALLED, module_of
from . import distributions

# Standard modules that not every Python has: the first and the last minor version of Python 3 that does.
SINCE = {"tomllib": 11, "annotationlib": 14, "compression": 14}
UNTIL = {
    "binhex": 10,
    "asynchat": 11, "asyncore": 11, "distutils": 11, "imp": 11, "smtpd": 11,
    "aifc": 12, "audioop": 12, "cgi": 12, "cgitb": 12, "chunk": 12, "crypt": 12, "imghdr": 12, "lib2to3": 12,
    "mailcap": 12, "nis": 12, "nntplib": 12, "ossaudiodev": 12, "pipes": 12, "sndhdr": 12, "spwd": 12, "sunau": 12,
    "telnetlib": 12, "uu": 12, "xdrlib": 12,
}  # fmt: skip


@dataclass(frozen=True)
class Modules:
    """What the cluster and the package have. `told` is False where neither modules nor packages are known."""

    draft: Draft
    facts: ClusterInfo

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

    def after_ray(self, file: str = "", one: Imported | None = None) -> bool:
        """Is ray imported, and where an import at the top of the script is given, above it?"""
        helpers = any(
            which != self.draft.name and ray.module[0] == "ray" for which, ray in self.draft.imports
        )
        lines = [
            ray.line
            for which, ray in self.draft.imports
            if which == self.draft.name
            and (ray.module[0] == "ray" or (helpers and ray.module[0] in self.sent))
        ]
        if one is None or file != self.draft.name or one.reach is not Reach.ALWAYS:
            return bool(lines)
        return any(line < one.line for line in lines)

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


def dotted(one: Imported) -> str:
    """The module by its whole name, with what is taken from a namespace."""
    whole = ".".join(one.module)
    return (
        f"{whole}.{one.name}"
        if whole in ("google", "google.cloud", "ray") and one.name not in ("", "*")
        else whole
    )
