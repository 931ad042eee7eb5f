"""Every lesson that uses storage passes with the roles that `iam used` finds, and needs each of their permissions.

In the gate, tests/unit/iam/used/test_sufficient.py does the same without Ray.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from iam.google_clients import storage_client
from iam.grant import BucketPolicyTarget, update_policy
from iam.lab.settings import FILE as LAB_FILE
from iam.policy.policies import Binding, Policy
from iam.session import Session, open_session
from tests.command import ROOT, Ended, environment, submit
from tests.contract.test_lessons import ARGUMENTS, READS
from tests.lab import Lab, cluster_command, lab_environment

UNIT = "tests/unit/iam/used/test_sufficient.py::test_the_set_suffices_and_each_permission_is_needed"
pytestmark = [pytest.mark.ray, pytest.mark.nightly(UNIT)]
LESSONS = ("whoami", "make_data", *READS, "tune_forest")
ACCOUNT = "exact@lab-project.iam.gserviceaccount.com"
ONE_EACH = "projects/lab-project/roles/one."  # custom roles with one permission each
PERMISSIONS = (*(f"objects.{verb}" for verb in ("get", "list", "create", "delete", "update")), "buckets.get")


@pytest.fixture(scope="module")
def own_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster whose lab has an account without roles, and a role for each permission."""
    folder = tmp_path_factory.mktemp("least")
    document = yaml.safe_load(LAB_FILE.read_text())
    document["roles"] = {ONE_EACH + one: [f"storage.{one}"] for one in PERMISSIONS}
    document["projects"]["lab-project"]["accounts"].append(ACCOUNT)
    (folder / "lab.yaml").write_text(yaml.safe_dump(document))
    found = Lab("processes", lab_environment(folder / "state", LAB_FILE=str(folder / "lab.yaml")))
    try:
        done = found.cluster("up", "--runtime", "processes")
        assert done.returncode == 0, done.stdout + done.stderr
        for job in ("make_data", "train_xgboost"):
            assert run(found, job).code == 0
        yield found
    finally:
        cluster_command(found.env, "down")


def run(lab: Lab, job: str, *flags: str) -> Ended:
    words = ARGUMENTS.get(job, ["--smoke-test"])
    return submit(
        *flags, ROOT / "jobs" / f"{job}.py", "--", *words, env=environment(**lab.reach), timeout=600
    )


def iam(lab: Lab, *words: str) -> str:
    command = [sys.executable, "-m", "iam", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**lab.reach), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bind(session: Session, held: Mapping[str, list[str]]) -> None:
    """Give the account exactly these permissions, by bucket."""
    for bucket, permissions in held.items():
        roles = [ONE_EACH + one.removeprefix("storage.") for one in permissions]
        new = tuple(Binding(role, (f"serviceAccount:{ACCOUNT}",)) for role in roles)

        def edit(policy: Policy, new: tuple[Binding, ...] = new) -> Policy:
            others = tuple(one for one in policy.bindings if not one.role.startswith(ONE_EACH))
            return replace(policy, bindings=(*others, *new))

        update_policy(BucketPolicyTarget(storage_client(session), session, bucket), edit)


@pytest.mark.parametrize("job", LESSONS)
def test_the_roles_are_the_smallest(own_lab: Lab, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(own_lab, job).code == 0  # so that there is something to replace
    first = run(own_lab, job)
    assert "The header declares exactly what the job used: " in first.err
    report: dict[str, Any] = json.loads(
        iam(own_lab, "used", first.submission_id, "--again", "--format", "json")
    )
    least = run(own_lab, job, "--as-least", first.submission_id)
    assert least.code == 0, least.out + least.err
    assert "\nProved: " in least.err
    for name, value in own_lab.reach.items():
        monkeypatch.setenv(name, value)
    needed = {one["resource"].removeprefix("gs://"): one["permissions"] for one in report["permissions"]}
    before = json.loads(iam(own_lab, "whoami", "--json"))["job"].removeprefix("serviceAccount:")
    iam(own_lab, "account", "use", ACCOUNT)
    try:
        for bucket, permissions in needed.items():
            for gone in permissions:
                held = {**needed, bucket: [one for one in permissions if one != gone]}
                bind(open_session("local"), held)
                done = run(own_lab, job, "--skip-check=storage")
                assert done.code == 1, gone
                assert f"The job was denied {gone} on gs://{bucket}" in done.err
    finally:
        bind(open_session("local"), {bucket: [] for bucket in needed})
        iam(own_lab, "account", "use", before)
