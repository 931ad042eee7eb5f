"""A pinned package that the cluster's other packages reject is reported before the job is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from submit.findings import Outcome
from submit.preflight.conflicts import conflicts
from tests.unit.submit.test_preflight import FACTS, found, header

REQUIRES = {
    "ray": ("click>=7.0", "protobuf>=3.20.3"),
    "scikit-learn": ("numpy>=1.24.1", "joblib>=1.4.0"),
    "scipy": ("numpy<2.7,>=1.26.4", "not a requirement!"),
    "pandas": ('numpy>=1.23.2; python_version == "3.11"', 'numpy>=1.26.0; python_version >= "3.12"'),
}
CLUSTER = replace(
    FACTS,
    packages={**FACTS.packages, "scipy": "1.17.1", "protobuf": "6.33"},
    modules=FACTS.modules | {"scipy"},
    requires=REQUIRES,
)
TOO_OLD = header('dependencies = ["numpy==1.25.0"]')


def test_the_script_imports_what_its_pin_breaks(tmp_path: Path) -> None:
    (one,) = found(tmp_path, TOO_OLD + "import numpy\nfrom scipy import stats", facts=CLUSTER)
    assert (one.check, one.verdict) == ("dependencies", Outcome.DENIED)
    assert one.message == (
        "numpy==1.25.0 replaces numpy 2.4 for the job, but the cluster's scipy 1.17.1, which stays, requires "
        "numpy<2.7,>=1.26.4."
    )
    assert one.fix == (
        "in the header of job.py: pin numpy<2.7,>=1.26.4, or also declare a version of scipy that accepts numpy==1.25.0"
    )


def test_every_job_imports_ray(tmp_path: Path) -> None:
    text = header('dependencies = ["protobuf==3.9.0"]') + "print(1)"
    (one,) = found(tmp_path, text, facts=CLUSTER)
    assert one.verdict is Outcome.DENIED
    assert "the cluster's ray 2.47.1, which stays, requires protobuf>=3.20.3" in one.message


def test_a_broken_package_that_is_not_imported_is_only_a_note(tmp_path: Path) -> None:
    assert found(tmp_path, TOO_OLD + "import numpy", facts=CLUSTER) == []


@pytest.mark.parametrize(
    "dependencies",
    [
        ("numpy==1.26.4",),  # pandas==2.1.4 of Google's tests brings it
        ("numpy==2.4",),  # the cluster has it
        ("numpy<2",),  # which version it becomes is not known here
        ("numpy==1.25.0", "scipy==1.11.0"),  # replaced as well
        ("numpy==1.*",),
        ("torch==2.2.1",),
    ],
)
def test_pins_that_suit_the_cluster(dependencies: tuple[str, ...]) -> None:
    assert list(conflicts(dependencies, CLUSTER)) == []
