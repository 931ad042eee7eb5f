"""Find an unpackaged module on this machine, and the folder to send so that it is included."""

from __future__ import annotations

import sys
from pathlib import Path

from ...plan import JobPlan


def local_source(plan: JobPlan, top: str) -> str:
    """The local folder that contains a module, near the script or installed from source; "" if none."""
    for base in (plan.folder, *list(plan.folder.parents)[:3]):
        for near in (base, base / "src", base / "lib"):
            if (near / top / "__init__.py").is_file() or (near / f"{top}.py").is_file():
                return str(near)
    return installed_from(top)


def installed_from(top: str) -> str:
    """The folder of a package that this environment has installed from source (`pip install -e`); "" if none."""
    from importlib.util import find_spec

    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return ""
    paths = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    path = next((Path(one) for one in paths if one and Path(one).exists()), None)
    if (
        path is None
        or {"site-packages", "dist-packages"} & set(path.parts)
        or path.is_relative_to(sys.base_prefix)
    ):
        return ""
    return str(path.parent)


def common_folder(plan: JobPlan, folder: str) -> Path:
    """The nearest folder that contains both the script and `folder`."""
    return next(one for one in (plan.folder, *plan.folder.parents) if Path(folder).is_relative_to(one))
