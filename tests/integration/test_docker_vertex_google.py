"""Google's own system tests of Ray on Vertex AI, unchanged but for Ray's version and the project; and our live tests.

Their source is the SDK's source archive, from the package index, or VERTEX_RAY_TESTS: a checkout of
https://github.com/googleapis/python-aiplatform. Without either they are skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from raydock import versions
from tests.integration.vertexlab import VertexLab

pytestmark = pytest.mark.docker

SETTING = "VERTEX_RAY_TESTS"
PACKAGE = "google-cloud-aiplatform"
TESTS = "tests/system/vertex_ray"
# Only Ray 2.47, the version of the lab. `sys.path` starts with the current directory, so `tests` is Google's.
RUN = """
import os, sys
os.chdir("/state/google")
os.environ["BUILD_SPECIFIC_GCLOUD_PROJECT"] = "lab-project"
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""
OPTIONS = ("-p", "no:cacheprovider", "-k", "2.47", "-q", "-W", "ignore", "--durations=0", "-vv")
CHANGES = {
    r'^RAY_VERSION = ".*"$': f'RAY_VERSION = "{versions.RAY}"',
    r'^PROJECT_ID = ".*"$': 'PROJECT_ID = "lab-project"',
}
LIVE = """
import os, sys
os.environ |= {"RAYDOCK_LIVE_PROJECT": "lab-project", "RAYDOCK_LIVE_CLUSTER": "1"}
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""
# The lab's Resource Manager accepts permissions that do not exist.
UNKNOWN = "test_there_is_no_permission_to_update"
LIFE = "tests/unit/cloud/vertex/test_sdk.py::test_a_cluster_is_created_and_deleted"
JOBS = "tests/integration/test_docker_vertex.py::test_two_clusters_are_who_they_were_created_as"
BIGQUERY = "tests/unit/cloud/vertex/test_unsupported.py::test_bigquery"


def source(folder: Path) -> Path:
    """The SDK's source, or a skip."""
    if given := os.environ.get(SETTING):
        return Path(given)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), f"{PACKAGE}=={version(PACKAGE)}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    archives = [*folder.glob("*.tar.gz")]
    if done.returncode or not archives:
        pytest.skip(f"no source of {PACKAGE}: set {SETTING} to a checkout of googleapis/python-aiplatform")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return next(one for one in folder.iterdir() if one.is_dir())


@pytest.fixture(scope="module")
def google(vertex_lab: VertexLab, tmp_path_factory: pytest.TempPathFactory) -> VertexLab:
    """The lab, with Google's tests in the user's folder."""
    found, mine = source(tmp_path_factory.mktemp("sdk")), vertex_lab.home / "google"
    if not (found / TESTS).is_dir():
        pytest.skip(f"{found} has no {TESTS}: set {SETTING} to a checkout of googleapis/python-aiplatform")
    base = "tests/system/aiplatform/e2e_base.py"
    for name in (
        "tests/__init__.py",
        "tests/system/__init__.py",
        "tests/system/aiplatform/__init__.py",
        base,
    ):
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        text = (found / name).read_text() if (found / name).exists() else ""
        (mine / name).write_text(changed(text))
    shutil.copytree(found / TESTS, mine / TESTS)
    for path in (mine / TESTS).glob("*.py"):
        path.write_text(changed(path.read_text()))
    return vertex_lab


def changed(text: str) -> str:
    """The text for this lab: Ray's version and the project."""
    for before, after in CHANGES.items():
        text = re.sub(before, after, text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize(
    "file",
    [
        pytest.param("test_cluster_management.py", marks=pytest.mark.nightly(LIFE)),
        pytest.param("test_job_submission_dashboard.py", marks=pytest.mark.nightly(JOBS)),
    ],
)
def test_googles_own_tests_pass(google: VertexLab, file: str) -> None:
    done = google.user("-c", RUN, *OPTIONS, f"{TESTS}/{file}", seconds=1800)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"\b1 passed, \d deselected", done.stdout), done.stdout[-2000:]


@pytest.mark.nightly(BIGQUERY)
def test_googles_test_of_bigquery_fails_and_names_the_service(google: VertexLab) -> None:
    """In its fixture, without a retry: Google's client would try for ten minutes."""
    done = google.user("-c", RUN, *OPTIONS, f"{TESTS}/test_ray_data.py")
    assert "The lab does not emulate BigQuery (bigquery.googleapis.com)." in done.stdout, done.stdout[-5000:]
    seconds = re.search(r"^(\d+\.\d+)s setup", done.stdout, re.MULTILINE)
    assert seconds, done.stdout[-2000:]
    assert float(seconds[1]) < 30


@pytest.mark.nightly("tests/unit/vertex/test_inferred.py::test_every_inferred_behavior_has_its_live_test")
def test_the_lab_passes_the_tests_for_the_real_service(vertex_lab: VertexLab) -> None:
    """So the live tests run, and the lab does what docs/vertex-in-the-lab.md infers."""
    file = "tests/live/test_vertex_inferred.py"
    options = ("-p", "no:cacheprovider", "-q", "-W", "ignore", "-m", "live", "-k", f"not {UNKNOWN}")
    done = vertex_lab.user("-c", LIVE, *options, file, seconds=1800)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"\b\d+ passed, 1 deselected", done.stdout), done.stdout[-2000:]
