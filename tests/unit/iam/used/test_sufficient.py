"""The roles suffice and nothing in them is spare: on the lab's storage, with Google's client."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx
import pytest
import yaml
from google.api_core.exceptions import Forbidden

from iam.lab.settings import FILE as LAB_FILE
from iam.used.attribution import attribute
from iam.used.collect import report_on
from iam.used.decisions import record_of
from iam.used.headers import advise
from iam.used.jobs import JobRun
from iam.used.needs import Need
from tests.labcloud import AGENT, KEY, TRAINER, RunningCloud, lab_cloud

ONE_EACH = "projects/lab-project/roles/one."  # custom roles with one permission each
PERMISSIONS = [
    *(f"storage.objects.{verb}" for verb in ("get", "list", "create", "delete", "update", "move")),
    "storage.buckets.get",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    folder = tmp_path_factory.mktemp("lab")
    document = yaml.safe_load(LAB_FILE.read_text())
    document["roles"] = {ONE_EACH + one.replace("storage.", ""): [one] for one in PERMISSIONS}
    (folder / "lab.yaml").write_text(yaml.safe_dump(document))
    with lab_cloud(folder, folder / "lab.yaml") as found:
        for name in ("in/1", "in/2"):
            found.client(AGENT).bucket("lab-data").blob(name).upload_from_string("x")
        yield found


def reads(data: Any, models: Any) -> None:
    for blob in data.client.list_blobs(data, prefix="in/"):
        blob.download_as_bytes()


def replaces(data: Any, models: Any) -> None:
    data.blob("in/1").download_as_bytes()
    models.blob("out").upload_from_string("y")


def tidies(data: Any, models: Any) -> None:
    models.blob("old").upload_from_string("y")
    models.blob("old").metadata = {"a": "b"}
    models.blob("old").patch()
    models.reload()
    models.copy_blob(models.blob("old"), data, "copy")
    models.blob("old").delete()


def composes(data: Any, models: Any) -> None:
    big, odd = models.blob("big", chunk_size=2**18), models.blob("ü ñ/*/a#b?c=d&gs://x/%2F'")
    big.upload_from_file(BytesIO(b"x" * 600_000))  # a resumable upload
    odd.upload_from_string("y")
    models.blob("whole").compose([big, odd])
    data.blob("moved here").rewrite(models.blob("whole"))
    with models.client.batch():
        models.blob("big").delete()
        models.blob("whole").delete()
    assert [one.name for one in models.client.list_blobs(models, prefix="ü ñ/*")] == [odd.name]


JOBS: list[Callable[[Any, Any], None]] = [reads, replaces, tidies, composes]


def run(lab: RunningCloud, job: Callable[[Any, Any], None], principal: str) -> None:
    client = lab.client(principal)
    job(client.bucket("lab-data"), client.bucket("lab-models"))


def bind(lab: RunningCloud, roles: dict[str, list[str]]) -> None:
    """Give TRAINER exactly these roles, by bucket."""
    for bucket in ("lab-data", "lab-models"):
        bindings = [{"role": role, "members": [TRAINER]} for role in roles.get(bucket, [])]
        lab.world.set_policy(lab.world.buckets[bucket], {"version": 1, "bindings": bindings})


def exact(needs: tuple[Need, ...], without: tuple[str, str] = ("", "")) -> dict[str, list[str]]:
    """Custom roles with exactly the needed permissions, except one of them."""
    return {
        one.target.bucket: [
            ONE_EACH + permission.replace("storage.", "")
            for permission in one.permissions
            if (one.target.bucket, permission) != without
        ]
        for one in needs
    }


@pytest.mark.parametrize("job", JOBS, ids=lambda job: str(job.__name__))
def test_the_set_suffices_and_each_permission_is_needed(
    lab: RunningCloud, job: Callable[[Any, Any], None]
) -> None:
    run(lab, job, AGENT)  # so that there is something to replace
    lab.cloud.record.flush()
    reply = httpx.get(
        f"{lab.gateway}/lab/decisions", headers={"Authorization": f"Bearer {KEY}"}, trust_env=False
    )
    since = max((row["last"] for row in reply.json()["decisions"]), default=0) + 0.001
    run(lab, job, AGENT)
    url = f"{lab.gateway}/lab/decisions?since={since}"
    reply = httpx.get(url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
    record = record_of(reply.json())
    attributed = attribute(JobRun("x", "SUCCEEDED", since, 1e10), record, frozenset({"gateway"}))
    report = report_on((attributed,))
    declaring = replace(attributed, run=replace(attributed.run, declared=report.header.proposed))
    assert advise(declaring).accurate, report.header.proposed
    bind(lab, {one.resource.bucket: [] for one in report.grants.grants})
    roles: dict[str, list[str]] = {}
    for grant in report.grants.grants:
        roles.setdefault(grant.resource.bucket, []).append(grant.role)
    bind(lab, roles)
    run(lab, job, TRAINER)
    bind(lab, exact(report.needs))
    run(lab, job, TRAINER)
    for need in report.needs:
        for permission in need.permissions:
            bind(lab, exact(report.needs, (need.target.bucket, permission)))
            with pytest.raises(Forbidden) as refusal:
                run(lab, job, TRAINER)
            assert re.search(rf"does not have {re.escape(permission)} access", str(refusal.value))
