"""An imported project is decided as the project itself: random worlds, exported by the lab acting as the real project.

`python -m iam import` reads the lab through its gateway, as the user; random calls get a 403. The file that it writes
is loaded as another lab's, and both are asked the same 14 questions. What was hidden may only make a verdict UNKNOWN,
and does so exactly if the evaluator, given the same policies as None, calls it UNKNOWN too.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud import state_file
from cloud.lab_state import LabState, PolicyHolder
from iam.cli import main
from iam.policy import evaluate
from iam.policy import resource as resources
from iam.policy.evaluate import Verdict
from iam.policy.required_permissions import Operation
from iam.policy.resource import Resource
from iam.policy_reader import PolicyReader
from tests.contract.test_agreement import (
    BUCKETS,
    PRINCIPALS,
    STRANGER,
    bindings,
    deny,
    make_world,
)
from tests.labcloud import KEY, TRAINER, YOU, RunningCloud, lab_cloud

WORLDS = 100  # in each part
PARTS = 10
HERE = "tests/contract/test_import.py::test_the_imported_project_is_decided_as_the_project"
GROUP = "group:team@example.com"
# What is hidden: the calls that get a 403.
CALLS = {
    "project": r"/v3/projects/[^/:]+",
    "policy": r"/v3/projects/[^/:]+:getIamPolicy",
    "deny": r"/v2/policies/.*",
    "buckets": r"/storage/v1/b",
    "bucket policy": r"/storage/v1/b/[^/]+/iam",
    "bucket": r"/storage/v1/b/[^/]+",
    "accounts": r"/v1/projects/[^/]+/serviceAccounts",
    "account policy": r"/v1/projects/[^/]+/serviceAccounts/[^/]+:getIamPolicy",
    "roles": r"/v1/projects/[^/]+/roles/[^/]+",
    "groups": r"/v1/groups.*",
}
ROLES = {
    "reader": (["storage.objects.get", "storage.objects.list"], "GA"),
    "writer": (["storage.objects.create", "storage.buckets.get", "storage.objects.delete"], "BETA"),
    "off": (["storage.objects.get", "storage.objects.create"], "DISABLED"),
    "gone": (["storage.objects.get", "storage.objects.delete"], "DELETED"),
    "keys": (["iam.serviceAccounts.getAccessToken", "storage.buckets.getIamPolicy"], "ALPHA"),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("source")) as found:
        empty = {"version": 1, "bindings": []}
        found.world.accounts[STRANGER.partition(":")[2]] = PolicyHolder("other-project", empty)
        yield found


def refused(world: LabState, bucket: str) -> set[str]:
    """What the world itself hides from the user."""
    project, on_bucket = resources.project(BUCKETS[bucket]), resources.bucket(bucket)
    asked = {
        "project": ("resourcemanager.projects.get", project),
        "roles": ("resourcemanager.projects.get", project),
        "policy": ("resourcemanager.projects.getIamPolicy", project),
        "deny": ("iam.denypolicies.list", project),
        "buckets": ("storage.buckets.list", project),
        "accounts": ("iam.serviceAccounts.list", project),
        "bucket": ("storage.buckets.get", on_bucket),
        "bucket policy": ("storage.buckets.getIamPolicy", on_bucket),
    }
    now = datetime.now(timezone.utc)
    return {
        name
        for name, (permission, on) in asked.items()
        if world.decide(YOU, permission, on, now=now).verdict is not Verdict.GRANTED
    }


def hide(monkeypatch: pytest.MonkeyPatch, hidden: set[str]) -> None:
    """The hidden calls get a 403, and Cloud Identity, which the lab does not have, knows one group."""
    send = PolicyReader.send
    members = [{"preferredMemberKey": {"id": "alice@example.com"}, "type": "USER"}]
    groups = {"/v1/groups:lookup": {"name": "groups/1"}, "/v1/groups/1/memberships": {"memberships": members}}

    async def sending(self: PolicyReader, method: str, host: str, path: str, body: Any = None) -> Any:
        bare = path.partition("?")[0]
        if any(re.fullmatch(CALLS[name], bare) for name in hidden):
            return httpx.Response(403, json={"error": {"message": "Permission denied"}})
        if host == "cloudidentity.googleapis.com":
            return httpx.Response(200, json=groups[bare])
        return await send(self, method, host, path, body)

    monkeypatch.setattr(PolicyReader, "send", sending)


def make(chance: random.Random, source: RunningCloud, bucket: str) -> None:
    """A world of the check's test, with custom roles, groups, more deny rules and other kinds of buckets."""
    world, project = source.world, BUCKETS[bucket]
    world.roles = {f"projects/{project}/roles/{name}": held for name, (held, _) in ROLES.items()}
    world.stages = {f"projects/{project}/roles/{name}": stage for name, (_, stage) in ROLES.items()}
    world.groups = {GROUP: ["user:alice@example.com"]}
    world.__post_init__()
    make_world(chance, source, bucket)
    holder = world.buckets[bucket]
    holder.private, holder.acls = chance.random() < 0.2, chance.random() < 0.2
    for place in (holder, world.projects[project], world.accounts[TRAINER.partition(":")[2]]):
        more = bindings(chance, project, bucket, 2)
        for one in more:
            one["role"] = chance.choice(list(world.roles))
        if chance.random() < 0.2:
            more.append({"role": "roles/storage.objectViewer", "members": [GROUP]})
        world.set_policy(place, {"version": 3, "bindings": [*place.policy["bindings"], *more]})
    rules = [deny(chance) for _ in range(chance.choice([0, 0, 0, 1, 2]))]
    for rule in rules:
        if chance.random() < 0.5:
            rule["rules"][0]["denyRule"]["exceptionPrincipals"] = [
                "principalSet://goog/group/team@example.com"
            ]
        if chance.random() < 0.3:
            text = {"title": "t", "expression": "resource.matchTag('1/env', 'prod')"}
            rule["rules"][0]["denyRule"]["denialCondition"] = text
    world.deny[project] = [*world.deny.get(project, []), *rules]


def questions(bucket: str) -> list[tuple[tuple[str, ...], Resource, str | None]]:
    """14 operations: the permissions that each needs, the resource, and the prefix of a list."""
    project, on_bucket = BUCKETS[bucket], resources.bucket(bucket)
    a, b = resources.obj(bucket, "a/one"), resources.obj(bucket, "b/one")
    account = resources.service_account(TRAINER.partition(":")[2], "lab-project")
    return [
        (Operation.READ.permissions, a, None),
        (Operation.READ.permissions, b, None),
        (Operation.LIST.permissions, on_bucket, "a/"),
        (Operation.LIST.permissions, on_bucket, ""),
        (Operation.CREATE.permissions, a, None),
        (Operation.OVERWRITE.permissions, a, None),
        (Operation.OVERWRITE.permissions, b, None),
        (Operation.DELETE.permissions, b, None),
        (("storage.objects.update",), a, None),
        (Operation.GET_BUCKET.permissions, on_bucket, None),
        (("storage.buckets.delete",), on_bucket, None),
        (("storage.buckets.create",), resources.project(project), None),
        (("iam.serviceAccounts.getAccessToken",), account, None),
        (("resourcemanager.projects.setIamPolicy",), resources.project(project), None),
    ]


def worst(found: list[Verdict]) -> Verdict:
    return next(one for one in (Verdict.DENIED, Verdict.UNKNOWN, Verdict.GRANTED) if one in found)


def truth(
    world: LabState, who: str, permissions: tuple[str, ...], on: Resource, prefix: str | None
) -> Verdict:
    return worst([world.decide(who, one, on, list_prefix=prefix).verdict for one in permissions])


def partly_seen(
    world: LabState,
    who: str,
    permissions: tuple[str, ...],
    on: Resource,
    prefix: str | None,
    hidden: set[str],
) -> Verdict:
    """The evaluator's verdict if the hidden parts are None, as the check passes them."""
    known = world.policies(on)
    own = {"account policy", "accounts"} if on.type == resources.ACCOUNT else {"bucket policy"}
    seen = replace(
        known,
        bucket=None if own & hidden and on.type != resources.PROJECT else known.bucket,
        project=None if "policy" in hidden else known.project,
        deny=None if "deny" in hidden else known.deny,
        complete="project" not in hidden,
    )
    if "bucket" in hidden and "buckets" in hidden and on.bucket:
        seen = replace(seen, project=None, deny=None, complete=False, acls=True)
    more: Mapping[str, Any] = {
        "roles": {
            n: r for n, r in world.all_roles.items() if "roles" not in hidden or n.startswith("roles/")
        },
        "groups": {} if "groups" in hidden else world.members,
        "list_prefix": prefix,
    }
    return worst([evaluate.decide(who, one, on, seen, **more).verdict for one in permissions])


def imported(file: Path, bucket: str) -> LabState:
    """The lab that the imported project gives."""
    words = ["import", "--target", "local", "--project", BUCKETS[bucket], "--bucket", bucket, "--force"]
    assert main([*words, "--output", str(file)]) == 0
    return state_file.load(file, None)


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.nightly(f"{HERE}[0]")) for part in range(1, PARTS))]
)
def test_the_imported_project_is_decided_as_the_project(
    source: RunningCloud, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(f"import {part}")
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    monkeypatch.setenv("RAYDOCK_PORT", source.gateway.rpartition(":")[2])
    seen: Counter[tuple[bool, Verdict]] = Counter()
    wrong = []
    for number in range(WORLDS):
        bucket = chance.choice(list(BUCKETS))
        make(chance, source, bucket)
        world, project = source.world, BUCKETS[bucket]
        owner = {"role": "roles/owner", "members": [YOU]}
        if owner not in world.projects[project].policy["bindings"]:  # otherwise all is hidden anyway
            before = world.projects[project].policy["bindings"]
            world.set_policy(world.projects[project], {"version": 3, "bindings": [owner, *before]})
        hidden = {one for one in CALLS if chance.random() < 0.15} if number % 2 else set()
        with monkeypatch.context() as patch:
            hide(patch, hidden)
            found = imported(tmp_path / "lab.yaml", bucket)
        hidden |= refused(world, bucket)
        for permissions, on, prefix in questions(bucket):
            if on.type == resources.ACCOUNT and project != "lab-project":
                on = resources.service_account(STRANGER.partition(":")[2], project)
            who = chance.choice((*PRINCIPALS, YOU))
            real = truth(world, who, permissions, on, prefix)
            lab = truth(found, who, permissions, on, prefix)
            expected = partly_seen(world, who, permissions, on, prefix, hidden)
            seen[bool(hidden), lab] += 1
            # The caller's own reads are proved by the import, whatever else is unknown.
            same = lab is expected or (who == YOU and lab is real)
            if not (same and lab in ({real, Verdict.UNKNOWN} if hidden else {real})):
                wrong.append((number, who, permissions, str(on), prefix, hidden, real, lab, expected))
    assert not wrong, "\n".join(map(str, [len(wrong), *wrong[:5]]))
    assert {verdict for hides, verdict in seen if not hides} == set(Verdict)
    assert min(seen[False, Verdict.GRANTED], seen[False, Verdict.DENIED]) > WORLDS, seen
    decided = seen[True, Verdict.GRANTED] + seen[True, Verdict.DENIED]
    assert decided > seen[True, Verdict.UNKNOWN] / 4, seen  # what is hidden does not make everything UNKNOWN
