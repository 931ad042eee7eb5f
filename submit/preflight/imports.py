"""Is each module that the job imports there: among what travels, in Python, on the cluster, or declared?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from raydock.jobscript.dependencies import name_of as package_of
from raydock.jobscript.dependencies import requirement
from raydock.jobscript.ray_extras import BROUGHT, PARTS, USED
from raydock.rayapi.cluster_info import ClusterInfo

from ..findings import Finding
from .analysis import distributions
from .analysis.installs import installed_by, installed_with_pip
from .analysis.modules import SINCE, UNTIL, Modules, dotted
from .analysis.nearby import beside, common
from .analysis.reach import Imported, Reach, judged
from .draft import Draft, counted

SHOWN = 5
COLAB = "google.colab"


@dataclass(frozen=True, slots=True)
class Lack:
    """A module that is neither there nor declared: where it is imported, and the requirement that would bring it."""

    file: str
    one: Imported
    needed: str
    part: bool = False  # what is imported is a part of Ray, and this is what that needs
    order: bool = False  # it is there once Ray is imported, which comes later


def check_imports(draft: Draft, facts: ClusterInfo) -> Iterable[Finding]:
    """Every module that the job imports is there, or will be installed for it."""
    modules = Modules(draft, facts)
    declared = {package_of(requirement(text)) for text in draft.header.dependencies} | installed_by(
        draft.modules
    )
    found = sorted(missing(draft, modules, declared), key=lambda lack: -lack.one.reach)
    wanted = [lack for lack in found if lack.one.reach is not Reach.IF and declarable(draft, lack)]
    fix = declare(draft, [lack.needed for lack in wanted])
    for lack in found[:SHOWN]:
        yield finding(lack, modules, declared, fix)
    if len(found) > SHOWN:
        rest = ", ".join(dotted(lack.one) for lack in found[SHOWN:])
        text = f"{counted(len(found) - SHOWN, 'module')} more: {rest}"
        yield judged(min(found[SHOWN].one.reach, Reach.MAYBE), "imports", text, fix)


def missing(draft: Draft, modules: Modules, declared: set[str]) -> Iterator[Lack]:
    """What is neither there nor declared, each requirement once, where it is surest to be imported."""
    worst: dict[str, Lack] = {}
    for file, one in draft.imports:
        for lack in lacks(file, one, modules, declared) if one.reach is not Reach.PROVIDED else ():
            if lack.needed not in worst or worst[lack.needed].one.reach < lack.one.reach:
                worst[lack.needed] = lack
    return iter(worst.values())


def lacks(file: str, one: Imported, modules: Modules, declared: set[str]) -> Iterator[Lack]:
    """What an import lacks: the package of the module, or for a part of Ray what that needs."""
    if one.module[0] == "ray":
        yield from lacks_part(file, one, modules, declared)
    elif needed := package_for(one, modules, declared):
        brought = one.module[0] in BROUGHT
        if not (brought and modules.after_ray(file, one)):
            yield Lack(file, one, needed, order=brought and modules.after_ray())


def package_for(one: Imported, modules: Modules, declared: set[str]) -> str:
    """The requirement that would bring an imported module; "" where none is needed."""
    if modules.have(one):
        return ""
    packages = distributions.packages_of(dotted(one))
    if declared & set(packages) or distributions.brings(declared, dotted(one)):
        return ""
    return packages[0]


def lacks_part(file: str, one: Imported, modules: Modules, declared: set[str]) -> Iterator[Lack]:
    """What a part of Ray needs, at once or when it is used."""
    names = [".".join(one.module[:n]) for n in range(len(one.module), 1, -1)]
    names = [f"{'.'.join(one.module)}.{one.name}", *names]
    extra, at_once = next((PARTS[name] for name in names if name in PARTS), ("", ()))
    later = next((USED[name] for name in names if name in USED), ())
    asked = {extra for text in modules.draft.header.dependencies for extra in requirement(text).extras}
    if not modules.told or (extra and asked & {extra, "all"}):
        return
    for need in (*at_once, *later):
        reach = min(one.reach, Reach.MAYBE) if need in later else one.reach
        module = Imported((need,), "", one.line, reach)
        if needed := package_for(module, modules, declared):
            whole = Imported(one.module, one.name, one.line, reach)
            yield Lack(file, whole, f"ray[{extra}]" if extra and need in at_once else needed, part=True)


def declarable(draft: Draft, lack: Lack) -> bool:
    """Does it help to declare it?"""
    top = lack.one.module[0]
    if lack.part:
        return True
    return not (top in UNTIL or top in SINCE or of_colab(lack.one) or beside(draft, top))


def of_colab(one: Imported) -> bool:
    return f"{dotted(one)}.".startswith(f"{COLAB}.")


def finding(lack: Lack, modules: Modules, declared: set[str], fix: str) -> Finding:
    """DENIED where the line runs for certain and nothing that is installed may bring the module."""
    draft, one = modules.draft, lack.one
    where = f"{lack.file}:{one.line} imports {dotted(one)}"
    reach = one.reach
    if of_colab(one):
        text = f"{where}, which exists only in Colab."
        fix = "remove it, or wrap it in `try: … except ImportError:`"
    elif not lack.part and (local := beside(draft, one.module[0])):
        text = f"{where}, which is in {local} but not in the package."
        fix = f"--working-dir {common(draft, local)}"
    elif not modules.told:
        text = f"{where}, and the cluster does not report whether it is installed."
        reach = min(reach, Reach.MAYBE)
    elif one.module[0] in UNTIL or one.module[0] in SINCE:
        text = f"{where}, which the cluster's Python 3.{modules.minor} does not have."
        fix = "wrap it in `try: … except ImportError:`, or use its replacement"
    elif lack.needed.startswith("ray["):
        text = f"{where}, which needs {lack.needed}; the cluster's Ray does not include that extra."
    elif lack.part:
        text = f"{where}, which needs {lack.needed}: it is neither installed on the cluster nor declared."
    elif lack.order:
        text = f"{where} before ray, which provides it."
        fix = f"import ray first, or {fix}"
    elif lack.needed in installed_with_pip(draft.modules):
        text = f"{where}, which it installs with pip while running: only on the head node, and not reliably."
        reach = min(reach, Reach.MAYBE)
    else:
        text = f"{where}, which is not in the package, not installed on the cluster, and not declared."
        if unsure := unsure_of(declared, modules):
            text, reach = f"{text[:-1]} (unless {unsure} provides it).", min(reach, Reach.MAYBE)
    return judged(reach, "imports", text, fix)


def unsure_of(declared: set[str], modules: Modules) -> str:
    """The declared packages that may bring any module along, as words."""
    packages = modules.facts.packages
    names = sorted(name for name in declared if not distributions.known(name) and name not in packages)
    return " or ".join(names[:3])


def declare(draft: Draft, needed: Sequence[str]) -> str:
    """How dependencies are declared in the script's header, beside those that are."""
    listed = ", ".join(f'"{one}"' for one in dict.fromkeys((*draft.header.dependencies, *needed)))
    if draft.header.written:
        return f"in the header of {draft.name}: dependencies = [{listed}]"
    return f"at the top of {draft.name}:\n# /// script\n# dependencies = [{listed}]\n# ///"
