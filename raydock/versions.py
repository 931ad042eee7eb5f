"""The Ray and Python versions of the local cluster, and those available in Ray on Vertex AI.

The local cluster runs the newest version on Vertex AI. requirements/image.in, the Dockerfile, compose.yaml and the
notebook repeat it; tests/unit/test_versions.py checks every copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

RAY = "2.47.1"
RAY_MINOR = RAY.rpartition(".")[0]
PYTHON = "3.11"
WARN_BEFORE = timedelta(days=180)  # before the end of support; our choice


@dataclass(frozen=True, slots=True)
class RayRelease:
    """A Ray version on Vertex AI. `end` is the last day of Google's support; None if unknown."""

    version: str
    pythons: tuple[str, ...]
    end: date | None = None


# Keyed by MAJOR.MINOR. Versions: vertex_ray.util._validation_utils of google-cloud-aiplatform 2.7.0, checked by a test.
# Dates: https://cloud.google.com/vertex-ai/docs/open-source/ray-on-vertex-ai/overview, as noted in November 2026. For
# 2.9, the SDK says that using it "will result in an error" in March 2025.
ON_VERTEX_AI: Mapping[str, RayRelease] = {
    "2.9": RayRelease("2.9.3", ("3.10",), date(2025, 3, 31)),
    "2.33": RayRelease("2.33.0", ("3.10",)),
    "2.42": RayRelease("2.42.0", ("3.10", "3.11")),
    "2.47": RayRelease("2.47.1", ("3.11",), date(2027, 7, 28)),
}


def today() -> date:
    """The local date. Replaced in tests."""
    return date.today()


def support_end(ray: str) -> date | None:
    """The last day of Google's support for a Ray version, given as MAJOR.MINOR; None if unknown."""
    release = ON_VERTEX_AI.get(ray)
    return release.end if release else None


def support_warning(ray: str) -> str:
    """A sentence if Google's support for a Ray version, given as MAJOR.MINOR, has ended or ends soon; else ""."""
    end = support_end(ray)
    if end is None or end - today() > WARN_BEFORE:
        return ""
    newest = list(ON_VERTEX_AI)[-1]
    fix = f"Move to Ray {newest}." if ray != newest else "Check whether Vertex AI has a newer version."
    verb = "ended" if end < today() else "ends"
    return f"Google's support for Ray {ray} on Vertex AI {verb} on {end}. {fix}"
