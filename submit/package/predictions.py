"""Failures on the cluster that the package's contents and the job's source already show."""

from __future__ import annotations

from dataclasses import replace

from .contents import Contents
from .executables import lost_modes
from .local_imports import LocalImports
from .missing_imports import missing_modules
from .sources import sources_of


def with_predictions(contents: Contents, imports: LocalImports, script: str) -> Contents:
    """Add the imports and programs that will fail. `imports` must have followed the script."""
    contents = replace(contents, missing=missing_modules(contents, imports))
    try:
        return replace(contents, lost_modes=lost_modes(contents, sources_of(imports, script)))
    except RecursionError:  # an expression of thousands of terms
        return contents
