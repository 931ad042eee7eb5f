"""The imports check: every module must be packaged, in the standard library, on the cluster, or declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from raydock.jobscript.dependencies import name_of as package_of
from raydock.jobscript.dependencies import requirement
from raydock.jobscript.ray_extras import BROUGHT, PARTS, USED
from raydock.jobscript.reach import Imported, Reach
from raydock.rayapi.cluster_info import ClusterInfo
from raydock.units import counted

from ..findings import Finding
from ..plan import JobPlan
from .analysis import distributions
from .analysis.installs import installed_by, installed_with_pip
from .analysis.modules import SINCE, UNTIL, Modules, dotted
from .analysis.nearby import common_folder, local_source
from .certainty import finding_for

SHOWN = 5
COLAB = "google.colab"


@dataclass(frozen=True, slots=True)
class MissingModule:
    """An import of a module that is neither available nor declared, and the requirement that would provide it."""

    file: str
    one: Imported
    needed: str
    ray_part: bool = False  # the import is a part of Ray, and `needed` is what that part requires
    too_early: bool = False  # available once Ray is imported, which happens later


def check_imports(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check that every imported module is available on the cluster or will be installed for the job."""
    modules = Modules(plan, facts)
    declared = {package_of(requirement(text)) for text in plan.header.dependencies} | installed_by(
        plan.modules
    )
    found = sorted(find_missing(plan, modules, declared), key=lambda missing: -missing.one.reach)
    wanted = [
        missing
        for missing in found
        if missing.one.reach is not Reach.CONDITIONAL and declarable(plan, missing)
    ]
    fix = declare(plan, [missing.needed for missing in wanted])
    for missing in found[:SHOWN]:
        yield finding(missing, modules, declared, fix)
    if len(found) > SHOWN:
        rest = ", ".join(dotted(missing.one) for missing in found[SHOWN:])
        text = f"{counted(len(found) - SHOWN, 'more module')}: {rest}"
        yield finding_for(min(found[SHOWN].one.reach, Reach.MAYBE), "imports", text, fix)


def find_missing(plan: JobPlan, modules: Modules, declared: set[str]) -> Iterator[MissingModule]:
    """The missing modules, once per requirement, at the import that is most certain to run."""
    worst: dict[str, MissingModule] = {}
    for file, one in plan.imports:
        for missing in missing_for(file, one, modules, declared) if one.reach is not Reach.HANDLED else ():
            if missing.needed not in worst or worst[missing.needed].one.reach < missing.one.reach:
                worst[missing.needed] = missing
    return iter(worst.values())


def missing_for(file: str, one: Imported, modules: Modules, declared: set[str]) -> Iterator[MissingModule]:
    """What an import is missing: the module's package or, for a part of Ray, what that part requires."""
    if one.module[0] == "ray":
        yield from missing_for_ray_part(file, one, modules, declared)
    elif needed := package_for(one, modules, declared):
        brought = one.module[0] in BROUGHT
        if not (brought and modules.after_ray(file, one)):
            yield MissingModule(file, one, needed, too_early=brought and modules.after_ray())


def package_for(one: Imported, modules: Modules, declared: set[str]) -> str:
    """The requirement that would provide an imported module; "" if none is needed."""
    if modules.has(one):
        return ""
    packages = distributions.packages_of(dotted(one))
    if declared & set(packages) or distributions.provide(declared, dotted(one)):
        return ""
    return packages[0]


def missing_for_ray_part(
    file: str, one: Imported, modules: Modules, declared: set[str]
) -> Iterator[MissingModule]:
    """What a part of Ray is missing, on import or on use."""
    names = [".".join(one.module[:n]) for n in range(len(one.module), 1, -1)]
    names = [f"{'.'.join(one.module)}.{one.name}", *names]
    extra, on_import = next((PARTS[name] for name in names if name in PARTS), ("", ()))
    on_use = next((USED[name] for name in names if name in USED), ())
    asked = {extra for text in modules.plan.header.dependencies for extra in requirement(text).extras}
    if not modules.known or (extra and asked & {extra, "all"}):
        return
    for need in (*on_import, *on_use):
        reach = min(one.reach, Reach.MAYBE) if need in on_use else one.reach
        module = Imported((need,), "", one.line, reach)
        if needed := package_for(module, modules, declared):
            whole = Imported(one.module, one.name, one.line, reach)
            yield MissingModule(
                file, whole, f"ray[{extra}]" if extra and need in on_import else needed, ray_part=True
            )


def declarable(plan: JobPlan, missing: MissingModule) -> bool:
    """Whether declaring the requirement would fix the import."""
    top = missing.one.module[0]
    if missing.ray_part:
        return True
    return not (top in UNTIL or top in SINCE or of_colab(missing.one) or local_source(plan, top))


def of_colab(one: Imported) -> bool:
    """Whether the module exists only in Google Colab."""
    return f"{dotted(one)}.".startswith(f"{COLAB}.")


def finding(missing: MissingModule, modules: Modules, declared: set[str], fix: str) -> Finding:
    """The finding for a missing module: DENIED if the line certainly runs and no declared package may provide it."""
    plan, one = modules.plan, missing.one
    where = f"{missing.file}:{one.line} imports {dotted(one)}"
    reach = one.reach
    if of_colab(one):
        text = f"{where}, which exists only in Colab."
        fix = "remove it, or wrap it in `try: … except ImportError:`"
    elif not missing.ray_part and (local := local_source(plan, one.module[0])):
        text = f"{where}, which is in {local} but not in the package."
        fix = f"pass --working-dir {common_folder(plan, local)}"
    elif not modules.known:
        text = f"{where}, and the cluster does not report whether it is installed."
        reach = min(reach, Reach.MAYBE)
    elif one.module[0] in UNTIL or one.module[0] in SINCE:
        text = f"{where}, which the cluster's Python 3.{modules.minor} does not have."
        fix = "wrap it in `try: … except ImportError:`, or use its replacement"
    elif missing.needed.startswith("ray["):
        text = f"{where}, which needs {missing.needed}; the cluster's Ray does not include that extra."
    elif missing.ray_part:
        text = f"{where}, which needs {missing.needed}: it is neither installed on the cluster nor declared."
    elif missing.too_early:
        text = f"{where} before ray, which provides it."
        fix = f"import ray first, or {fix}"
    elif missing.needed in installed_with_pip(plan.modules):
        text = f"{where}, which it installs with pip while running. That affects only the head node and is unreliable."
        reach = min(reach, Reach.MAYBE)
    else:
        text = f"{where}, which is not in the package, not installed on the cluster, and not declared."
        if unsure := unsure_of(declared, modules):
            text, reach = f"{text[:-1]} (unless {unsure} provides it).", min(reach, Reach.MAYBE)
    return finding_for(reach, "imports", text, fix)


def unsure_of(declared: set[str], modules: Modules) -> str:
    """The declared packages whose dependencies are unknown, so that they might provide any module; as text."""
    packages = modules.facts.packages
    names = sorted(
        name for name in declared if not distributions.dependencies_known(name) and name not in packages
    )
    return " or ".join(names[:3])


def declare(plan: JobPlan, needed: Sequence[str]) -> str:
    """How to add dependencies to those in the script's header."""
    listed = ", ".join(f'"{one}"' for one in dict.fromkeys((*plan.header.dependencies, *needed)))
    if plan.header.written:
        return f"in the header of {plan.name}: dependencies = [{listed}]"
    return f"at the top of {plan.name}:\n# /// script\n# dependencies = [{listed}]\n# ///"
