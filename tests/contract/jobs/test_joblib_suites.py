"""joblib's own tests of its backends, and scikit-learn's of what uses them, with jobs/joblib_ray.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import pytest

from tests.command import ROOT

GATE = "tests/contract/jobs/test_joblib_ray.py::test_the_backend_keeps_its_promises"
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+?::(\w+)", re.MULTILINE)
PASSED = re.compile(r"(\d+) passed")

# joblib's tests name their backends. This one takes the place of those that are processes.
REPLACED = (
    (r'(?m)^@(?:pytest\.mark\.)?parametrize\("((?:\w+_)?backend)", .*\)$', r'@parametrize("\1", ["ray"])'),
    (r'backend="loky"', 'backend="ray"'),
    (r'context\("loky"', 'context("ray"'),
    # Scripts that the tests write and start:
    (r"(?m)^(from joblib import Parallel, delayed.*)$", r"\1\nimport joblib_ray\njoblib_ray.register()"),
    (r"timeout=1[05]\b", "timeout=300"),
    # What the tests take for the executor:
    (
        r"(def get_workers\(backend\):\n)",
        r'\1    if hasattr(backend, "_call"):\n        return backend._call\n',
    ),
)
LOKY = "it looks for joblib's own class of processes"
MAPS = "shared arrays are not memory maps"
CORES = "a worker has as many threads as CPUs, however many this machine has"
JOBLIB = {
    "test_parallel_with_interactively_defined_bound_method_loky": LOKY,
    "test_backend_hinting_and_constraints": LOKY,
    "test_auto_memmap_on_arrays_from_generator": MAPS,
    "test_memmapping_leaks": MAPS,
    "test_threadpool_limitation_in_child_loky": CORES,
    "test_threadpool_limitation_in_child_context": CORES,
    "test_nested_backend_in_sequential": "without n_jobs, every CPU is used, as with Dask",
}
SKLEARN = ("model_selection.tests.test_search", "model_selection.tests.test_validation")


def run(folder: Path, *words: str, **variables: str) -> tuple[int, set[str], str]:
    """How many tests passed, which did not, and the output."""
    path = os.pathsep.join(str(one) for one in (folder, ROOT / "jobs", ROOT / "tests" / "jobs"))
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as short:
        own = ("-p", "joblib_plugin", "-p", "no:cacheprovider", "--color=no", "--tb=short", "-W", "ignore")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *own, "-o", "faulthandler_timeout=300", *words],
            env={**os.environ, "PYTHONPATH": path, "RAY_TMPDIR": short, **variables},
            cwd=folder, capture_output=True, text=True, timeout=3600, check=False,
        )  # fmt: skip
    passed = PASSED.search(done.stdout)
    return int(passed[1]) if passed else 0, set(FAILED.findall(done.stdout)), done.stdout[-10_000:]


@pytest.mark.ray
@pytest.mark.nightly(GATE)
def test_joblibs_own(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(Path(joblib.__file__).parent / "test", suite)
    text = (suite / "test_parallel.py").read_text()
    for pattern, replacement in REPLACED:
        text, count = re.subn(pattern, replacement, text)
        assert count, f"joblib's tests have changed: no {pattern}"
    (suite / "test_parallel.py").write_text(text)
    passed, failed, output = run(tmp_path, "suite/test_parallel.py")
    assert failed <= set(JOBLIB), output
    assert passed > 200, output


@pytest.mark.ray
@pytest.mark.nightly(GATE)
@pytest.mark.parametrize("module", SKLEARN)
def test_scikit_learns_own(tmp_path: Path, module: str) -> None:
    passed, failed, output = run(tmp_path, "--pyargs", f"sklearn.{module}", DEFAULT="1")
    assert failed == set(), output
    assert passed > 50, output
