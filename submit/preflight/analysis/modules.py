"""The modules available to a job: from the standard library, the cluster's packages, and the job's own files."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from raydock.jobscript.reach import Imported, Reach
from raydock.rayapi.cluster_info import ClusterInfo

from ...plan import JobPlan
from ..shadowing import INSTALLED, module_of
from . import distributions

# Standard library modules that some Python 3 versions lack: the first and the last minor version that include them.
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
    """The modules that the cluster and the package provide."""

    plan: JobPlan
    facts: ClusterInfo

    @property
    def known(self) -> bool:
        """Whether the cluster reported its modules or packages."""
        return bool(self.facts.modules or self.facts.packages)

    @cached_property
    def minor(self) -> int:
        """The minor version of the cluster's Python 3, or the caller's if unknown."""
        parts = self.facts.python.split(".")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else sys.version_info.minor

    @cached_property
    def packaged(self) -> frozenset[str]:
        """The packaged top-level modules. If the job changes sys.path, those in any folder count."""
        anywhere = "PYTHONPATH" in self.plan.env or any(
            isinstance(node, ast.Attribute) and node.attr == "path" and getattr(node.value, "id", "") == "sys"
            for tree in self.plan.modules.values()
            for node in ast.walk(tree)
        )
        tops = {PurePosixPath("."), PurePosixPath(self.plan.name).parent}
        found = set()
        for entry in self.plan.contents.entries:
            path = PurePosixPath(entry.name)
            for above in (path, *path.parents):
                if anywhere or above.parent in tops:
                    found.add(module_of(above.name) if above == path else above.name)
        return frozenset(found)

    @cached_property
    def reported(self) -> frozenset[str]:
        """The top-level modules that packaging already reports as missing."""
        return frozenset(one.module.partition(".")[0] for one in self.plan.contents.missing)

    @cached_property
    def installed(self) -> tuple[frozenset[str], frozenset[str]]:
        """The dotted modules installed on the cluster, and the namespaces above them."""
        modules = self.facts.modules or (
            frozenset() if self.known else INSTALLED - {"google"} | {"google.protobuf"}
        )
        above = {".".join(one.split(".")[:n]) for one in modules for n in range(1, one.count(".") + 1)}
        return frozenset(modules), frozenset(above) - frozenset(modules)

    def standard(self, top: str) -> bool:
        """Whether a module is in the standard library of the cluster's Python."""
        if top in UNTIL or top in SINCE:
            return SINCE.get(top, 0) <= self.minor <= UNTIL.get(top, 99)
        return top in sys.stdlib_module_names

    def after_ray(self, file: str = "", one: Imported | None = None) -> bool:
        """Whether the job imports ray; for an import at the top level of the script, whether it does so earlier."""
        helpers = any(which != self.plan.name and ray.module[0] == "ray" for which, ray in self.plan.imports)
        lines = [
            ray.line
            for which, ray in self.plan.imports
            if which == self.plan.name
            and (ray.module[0] == "ray" or (helpers and ray.module[0] in self.packaged))
        ]
        if one is None or file != self.plan.name or one.reach is not Reach.ALWAYS:
            return bool(lines)
        return any(line < one.line for line in lines)

    def has(self, one: Imported) -> bool:
        """Whether an imported module is available to the job."""
        whole, top = ".".join(one.module), one.module[0]
        if self.standard(top) or top in self.packaged or top in self.reported:
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
    """The module's full name, including a name imported from a namespace."""
    whole = ".".join(one.module)
    return (
        f"{whole}.{one.name}"
        if whole in ("google", "google.cloud", "ray") and one.name not in ("", "*")
        else whole
    )
