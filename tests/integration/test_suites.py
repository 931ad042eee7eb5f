"""Test suites that others wrote, against the lab's storage.

pyarrow's comes with its wheel. The others run where a variable names a checkout of their sources: GCSFS_TESTS
(fsspec/gcsfs), STORAGE_TESTS (googleapis/python-storage, with its data files) and SMART_OPEN_TESTS
(piskvorky/smart_open), by the Python that SUITES_PYTHON names: these need pytest-asyncio, google-cloud-testutils,
google-cloud-kms, mock, smart_open and pytest-benchmark beside.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import ports
from tests.command import ROOT
from tests.lab import until

GATE = "tests/unit/cloud/storage/test_clients.py"
# Tests that fail, and why: what the lab refuses by name, or what the suite expects of an emulator alone.
USER_PROJECT = "userProject is refused by name"
EMULATOR = "the suite expects an emulator to drop noncurrent generations with their bucket"
GCSFS = {
    "test_request_user_project": USER_PROJECT,
    "test_request_user_project_string": USER_PROJECT,
    "test_request_header": USER_PROJECT,
    "test_fs_requester_pays_on_bucket_without_requester_pays": USER_PROJECT,
    "test_user_project_fallback_google_default": "the suite sets another project than the one that it is given",
    "test_cat_versioned": EMULATOR,
    "test_cp_versioned": EMULATOR,
    "test_ls_versioned": EMULATOR,
    "test_find_versioned": EMULATOR,
    "test_write_captures_generation": EMULATOR,
    "test_write_captures_generation_multipart": EMULATOR,
}
ACL = "buckets have uniform access, so ACLs are refused by name"
XML = "the XML API is refused by name"
GOOGLE = {
    "test_bucket_acls_w_metageneration_match": ACL,
    "test_ubla_set_unset_preserves_acls": ACL,
    "test_new_bucket_created_w_inherited_pap": ACL,
    "test_object_retention_lock": "object retention is refused by name",
    "test_bucket_copy_blob_w_metageneration_match": "requester pays is refused by name",
    "test_bucket_move_blob_hns": "hierarchical namespaces are refused by name",
    "test_new_bucket_with_hierarchical_namespace": "hierarchical namespaces are refused by name",
    "test_blob_rewrite_new_blob_add_key": "customer-supplied keys are refused by name",
    "test_blob_rewrite_rotate_key": "customer-supplied keys are refused by name",
    "test_bucket_list_blobs_include_managed_folders": "managed folders are refused by name",
    "test_bucket_lock_retention_policy": "locked retention policies are refused by name",
    "test_new_bucket_with_rpo": "turbo replication is refused by name",
    "test_new_bucket_with_autoclass": "autoclass is refused by name",
    "test_config_autoclass_w_existing_bucket": "autoclass is refused by name",
    "test_soft_delete_policy": "soft delete is refused by name",
    "test_restore_bucket": "soft delete is refused by name",
    "test_bucket_ip_filter_patch": "IP filters are refused by name",
    "test_create_bucket_with_encryption_enforcement": "encryption settings are refused by name",
    "test_bucket_encryption_enforcement_config": "encryption settings are refused by name",
    "test_delete_bucket_encryption_enforcement_config": "encryption settings are refused by name",
    "test_create_bucket_dual_region": "custom placement is refused by name",
    "test_anonymous_client_access_to_public_bucket": "it reads a public bucket of the real Google Cloud",
    "test_upload_chunks_concurrently": XML,
    "test_upload_chunks_concurrently_with_metadata": XML,
    "test_upload_chunks_concurrently_with_content_encoding": XML,
    "test_upload_chunks_concurrently_with_encryption_key": XML,
    "test_upload_chunks_concurrently_with_kms": XML,
    "test_upload_chunks_concurrently_with_quoted_blob_names": XML,
}
PYTHON = os.environ.get("SUITES_PYTHON", sys.executable)
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+?::(\w+)", re.MULTILINE)
PASSED = re.compile(r"(\d+) passed")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The lab's storage on a port of its own: the variables that lead clients there."""
    (port,) = ports.pick(1, set())
    process = subprocess.Popen([sys.executable, "-m", "tests.emulator", f"--port={port}"], cwd=ROOT)
    try:
        until(lambda: process.poll() is None and not ports.is_free(port))
        yield {
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
            "GOOGLE_CLOUD_PROJECT": "lab-project",
            "NO_GCE_CHECK": "true",
        }
    finally:
        process.terminate()
        process.wait()


def run(
    folder: Path, *words: str, python: str = sys.executable, **variables: str
) -> tuple[int, set[str], str]:
    """How many tests passed, which did not, and the output."""
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", "--tb=line", *words],
        cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    passed = PASSED.search(done.stdout)
    return int(passed[1]) if passed else 0, set(FAILED.findall(done.stdout)), done.stdout[-5000:]


def sources(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no checkout")
    return Path(os.environ[variable])


@pytest.mark.nightly(f"{GATE}::test_pyarrow_folders_exist_are_listed_and_are_deleted")
def test_pyarrows_own(tmp_path: Path) -> None:
    """It starts its server itself, under the name of Google's testbench."""
    testbench = tmp_path / "storage-testbench"
    testbench.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m tests.emulator "$@"\n')
    testbench.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    passed, failed, output = run(tmp_path, "--pyargs", "pyarrow.tests.test_fs", "-k", "gcs", PATH=path)
    assert (passed, failed) == (41, set()), output


@pytest.mark.nightly(f"{GATE}::test_gcsfs_deletes_successfully")
def test_gcsfss_own(storage: dict[str, str]) -> None:
    buckets = {
        f"GCSFS_TEST_{name}BUCKET": f"gcsfs-test{name.lower().strip('_')}" for name in ("", "VERSIONED_")
    }
    more = {"GCSFS_DEFAULT_PROJECT": "lab-project", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false", **buckets}
    left_out = ("--ignore=gcsfs/tests/perf", "--ignore=gcsfs/tests/integration")
    passed, failed, output = run(
        sources("GCSFS_TESTS"), "gcsfs/tests", *left_out, python=PYTHON, **storage, **more
    )
    assert passed > 500, output
    assert failed <= set(GCSFS), output


@pytest.mark.nightly("tests/unit/cloud/test_storage.py::test_every_client_operation_on_a_public_bucket")
def test_googles_own(storage: dict[str, str]) -> None:
    files = [
        f"tests/system/test_{name}.py" for name in ("blob", "bucket", "client", "fileio", "transfer_manager")
    ]
    passed, failed, output = run(sources("STORAGE_TESTS"), *files, python=PYTHON, **storage)
    assert passed > 50, output
    assert failed <= set(GOOGLE), output


@pytest.mark.nightly("tests/unit/cloud/test_storage.py::test_every_client_operation_on_a_public_bucket")
def test_smart_opens_own(storage: dict[str, str]) -> None:
    """Its integration tests go first: the others leave a fake client in their process."""
    files = ["integration-tests/test_gcs.py", "tests/test_gcs.py", "--benchmark-disable"]
    real = {"SO_DISABLE_GCS_MOCKS": "1", "SO_GCS_URL": "gs://lab-data/smart_open"}
    passed, failed, output = run(sources("SMART_OPEN_TESTS"), *files, python=PYTHON, **storage, **real)
    assert (passed, failed) == (24, set()), output
