"""Every lesson passes with the roles that `iam used` finds, needs each of their permissions, and declares its storage.

In the gate, tests/unit/iam/used/test_sufficient.py does the same without Ray.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml

from iam.google_clients import storage_client
from iam.grant import BucketPolicyTarget, update_policy
from iam.lab.settings import FILE as LAB_FILE
from iam.policy.policies import Binding, Policy
from iam.session import Session, open_session
from raydock.jobscript.header import read_header
from tests.command import ROOT, Ended, environment, submit
from tests.contract.test_lessons import ARGUMENTS, LESSONS
from tests.lab import Lab, cluster_command, lab_environment

UNIT = "tests/unit/iam/used/test_sufficient.py::test_the_set_suffices_and_each_permission_is_needed"
pytestmark = [pytest.mark.ray, pytest.mark.nightly(UNIT)]
ACCOUNT = "exact@lab-project.iam.gserviceaccount.com"
ONE_EACH = "projects/lab-project/roles/one."  # custom roles with one permission each
PERMISSIONS = (*(f"objects.{verb}" for verb in ("get", "list", "create", "delete", "update")), "buckets.get")
BUCKETS = ("lab-data", "lab-models")
HEADERS = {job: read_header((ROOT / "jobs" / f"{job}.py").read_text(), job) for job in LESSONS}
WITH_STORAGE = [job for job, header in HEADERS.items() if "gs://" in f"{header.reads}{header.writes}"]
FED = ("make_data", "train_xgboost")  # they write what others read
Needs = Mapping[str, list[str]]  # permissions by bucket
RUNS: dict[str, tuple[Ended, dict[str, Any]]] = {}  # by job


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
        for job in FED:
            assert run(found, job).code == 0
        yield found
    finally:
        cluster_command(found.env, "down")


def run(lab: Lab, job: str, *flags: str) -> Ended:
    words = ARGUMENTS.get(job, ["--smoke-test"])
    script = ROOT / "jobs" / f"{job}.py"
    return submit(*flags, script, "--", *words, env=environment(**lab.reach), timeout=600)


def iam(lab: Lab, *words: str) -> str:
    command = [sys.executable, "-m", "iam", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**lab.reach), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def used(lab: Lab, *runs: Ended) -> dict[str, Any]:
    """What `iam used` finds about some runs of a job."""
    ids = [one.submission_id for one in runs]
    found: dict[str, Any] = json.loads(iam(lab, "used", *ids, "--again", "--format", "json"))
    return found


@dataclass(frozen=True)
class Exactly:
    """The account that jobs run as, whose permissions change from run to run."""

    session: Session

    def hold(self, needs: Needs) -> None:
        """Give it exactly these permissions."""
        for bucket in BUCKETS:
            roles = [ONE_EACH + one.removeprefix("storage.") for one in needs.get(bucket, [])]
            new = tuple(Binding(role, (f"serviceAccount:{ACCOUNT}",)) for role in roles)

            def edit(policy: Policy, new: tuple[Binding, ...] = new) -> Policy:
                others = tuple(one for one in policy.bindings if not one.role.startswith(ONE_EACH))
                return replace(policy, bindings=(*others, *new))

            update_policy(BucketPolicyTarget(storage_client(self.session), self.session, bucket), edit)


@pytest.fixture
def exactly(own_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exactly]:
    """Jobs run as the account."""
    for name, value in own_lab.reach.items():
        monkeypatch.setenv(name, value)
    before = json.loads(iam(own_lab, "whoami", "--json"))["job"].removeprefix("serviceAccount:")
    # Ray reports a failed job's end two seconds after submit.py does.
    iam(own_lab, "account", "use", ACCOUNT, "--force")
    found = Exactly(open_session("local"))
    try:
        yield found
    finally:
        found.hold({})
        iam(own_lab, "account", "use", before, "--force")


def first_run(lab: Lab, job: str) -> tuple[Ended, dict[str, Any]]:
    """The job's run as the service agent, and what it used; not repeated for another test.

    It is a repetition: the first one may use other calls, for example to create folders.
    """
    if job not in RUNS:
        if job in WITH_STORAGE and HEADERS[job].writes and job not in FED:
            assert run(lab, job).code == 0
        ended = run(lab, job)
        assert ended.code == 0, ended.out + ended.err
        RUNS[job] = ended, used(lab, ended)
    return RUNS[job]


@pytest.fixture
def first(own_lab: Lab, job: str) -> Ended:
    """The first run. Before the fixture `exactly`, which changes the account."""
    return first_run(own_lab, job)[0]


def needs_of(report: Mapping[str, Any]) -> Needs:
    """What is needed, by whichever account."""
    found: dict[str, set[str]] = {}
    for one in report["permissions"]:
        found.setdefault(one["resource"].removeprefix("gs://"), set()).update(one["permissions"])
    return {bucket: sorted(permissions) for bucket, permissions in found.items()}


@pytest.mark.parametrize("job", LESSONS)
def test_its_header_declares_what_it_used_and_the_roles_suffice(own_lab: Lab, job: str) -> None:
    first, report = first_run(own_lab, job)
    assert report["header"]["accurate"], report["header"]
    declared = {"reads": list(HEADERS[job].reads), "writes": list(HEADERS[job].writes)}
    assert report["header"]["proposed"] == declared
    assert set(needs_of(report)) <= {*BUCKETS}
    assert ("The header declares exactly what the job used: " in first.err) is (job in WITH_STORAGE)
    least = run(own_lab, job, "--as-least", first.submission_id)
    assert least.code == 0, least.out + least.err
    assert "\nProved: " in least.err


@pytest.mark.parametrize("job", WITH_STORAGE)
def test_it_needs_each_permission(own_lab: Lab, first: Ended, exactly: Exactly, job: str) -> None:
    runs, needs = [first], needs_of(RUNS[job][1])
    exactly.hold(needs)
    assert run(own_lab, job, "--skip-check=storage").code == 0
    for bucket, gone in [(bucket, one) for bucket, permissions in needs.items() for one in permissions]:
        less = {**needs, bucket: [one for one in needs[bucket] if one != gone]}
        exactly.hold(less)
        done = run(own_lab, job, "--skip-check=storage")
        if done.code == 0:  # a call whose refusal the job ignores: with such a run, `used` knows
            runs.append(done)
            needs = needs_of(used(own_lab, *runs))
            assert needs == {name: held for name, held in less.items() if held}
        else:
            (line,) = [line for line in done.err.splitlines() if line.startswith("The job was denied ")]
            assert f" {gone} on gs://{bucket}" in line, line
    print(f"{job} needs {needs}, found from {len(runs)} runs")
