"""What will fail on the cluster for what travels and how, as far as the job's text tells."""

from __future__ import annotations

from dataclasses import replace

from .contents import Contents
from .executables import lost_modes
from .local_imports import LocalImports
from .missing_imports import missing_modules
from .sources import text_of


def foreseen(contents: Contents, siblings: LocalImports, script: str) -> Contents:
    """The contents with the imports and the programs that the job will miss. `siblings` has followed the script."""
    contents = replace(contents, missing=missing_modules(contents, siblings))
    try:
        return replace(contents, lost_modes=lost_modes(contents, text_of(siblings, script)))
    except RecursionError:  # an expression of thousands of terms
        return contents
