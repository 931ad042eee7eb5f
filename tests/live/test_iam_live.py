"""The same provision, check and deprovision on a real project, with the caller's application default credentials.

RAYDOCK_LIVE_PROJECT names the project. Whoever runs it needs to be able to make service accounts and buckets there.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iam.cli import main

PROJECT = os.environ.get("RAYDOCK_LIVE_PROJECT", "")
VISIBLE = 180.0  # seconds until a grant counts: https://cloud.google.com/iam/docs/access-change-propagation
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not PROJECT, reason="RAYDOCK_LIVE_PROJECT is not set: no real project to try it on"),
]
AT = ("--target=google", f"--project={PROJECT}")


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str, str]]:
    """An account and two buckets of this run alone; removed whatever happens."""
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    run = secrets.token_hex(4)
    yield f"raydock-{run}", f"raydock-live-{run}-data", f"raydock-live-{run}-models"
    assert main(["deprovision", *AT, "--buckets", "--yes"]) == 0


def granted_in_time(*words: str) -> bool:
    """Grants take up to some minutes to count everywhere."""
    until = time.monotonic() + VISIBLE
    while main(["check", *words, *AT]) != 0:
        if time.monotonic() > until:
            return False
        time.sleep(5)
    return True


def test_provision_check_deprovision(names: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    account, data, models = names
    job = f"--as=serviceAccount:{account}@{PROJECT}.iam.gserviceaccount.com"
    words = ["provision", *AT, f"--service-account={account}"]
    words += [f"--data-bucket={data}", f"--model-bucket={models}", "--yes"]
    assert main(words) == 0
    assert granted_in_time(f"gs://{data}/", "--list", "--read", job)
    assert granted_in_time(f"gs://{models}/a", "--read", "--overwrite", job)
    assert main(["check", f"gs://{data}/x", "--write", job, *AT]) == 3
    capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("Nothing to do.\n")
    assert main(["show", f"gs://{data}", *AT, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert any(row["member"] == job.removeprefix("--as=") for row in told["members"])


def test_the_caller_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["whoami", *AT, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["caller"].partition(":")[0] in ("user", "serviceAccount")
    assert told["job"].endswith("@gcp-sa-aiplatform-cc.iam.gserviceaccount.com")


def test_the_project_is_imported_and_decides(tmp_path: Path) -> None:
    from cloud import state_file

    file = tmp_path / "lab.yaml"
    assert main(["import", f"--project={PROJECT}", f"--output={file}", "--objects=1"]) == 0
    found = state_file.load(file, None)
    assert found.projects[PROJECT].imported == found.user
    assert found.job.endswith("@gcp-sa-aiplatform-cc.iam.gserviceaccount.com")
