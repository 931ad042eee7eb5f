"""Where on this machine a module is that does not travel, and the folder to send so that it does."""

from __future__ import annotations

import sys
from pathlib import Path

from ..draft import Draft


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
