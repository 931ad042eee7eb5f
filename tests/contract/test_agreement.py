"""What the check says before a job is sent is what storage then does: random worlds, the real client library.

The verdict comes from the submitter's own check, which reads the policies over HTTP as the user; the deed is
done by google-cloud-storage as the principal. They share the evaluator, so what is tested here is everything
around it: which permissions an operation takes, what is seen of the policies, impersonation, enforcement.
(The evaluator itself is held against Google's documentation in tests/unit/iam.)
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from cloud.storage.service import put_text
from iam.check import check
from iam.policy.evaluate import Verdict
from iam.policy.required_permissions import Operation, RequiredPermission
from iam.policy_reader import PolicyReader
from tests.labcloud import AGENT, TRAINER, YOU, RunningCloud, lab_cloud

WORLDS = 400  # in each part
PARTS = 50  # 20,000 worlds; the first part is in the gate
HERE = "tests/contract/test_agreement.py::test_the_checks_verdict_is_what_storage_then_does"
ALICE = "user:alice@example.com"
STRANGER = "serviceAccount:stranger@other-project.iam.gserviceaccount.com"
PRINCIPALS = (AGENT, TRAINER, ALICE, STRANGER)
BUCKETS = {"lab-data": "lab-project", "closed-bucket": "other-project"}
ROLES = (
    *(
        f"roles/storage.{name}"
        for name in ("objectViewer", "objectCreator", "objectUser", "objectAdmin", "admin")
    ),
    *(
        f"roles/storage.legacy{name}"
        for name in ("BucketReader", "BucketWriter", "BucketOwner", "ObjectReader")
    ),
    *("roles/storage.legacyObjectOwner", "roles/viewer", "roles/editor", "roles/owner", "roles/browser"),
    *("roles/aiplatform.customCodeServiceAgent", "roles/iam.serviceAccountTokenCreator"),
)
CONDITIONS = (
    'resource.name.startsWith("projects/_/buckets/{bucket}/objects/a/")',
    '!resource.name.startsWith("projects/_/buckets/{bucket}/objects/a/")',
    'resource.type == "storage.googleapis.com/Object"',
    'resource.type == "storage.googleapis.com/Bucket" || resource.name.endsWith("/one")',
    'request.time < timestamp("2020-01-01T00:00:00Z")',
    'request.time > timestamp("2020-01-01T00:00:00Z") && resource.service == "storage.googleapis.com"',
    'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("a/")',
    'resource.matchTag("1/env", "prod")',
)


@dataclass(frozen=True)
class Deed:
    """What a job does, which permissions the check thinks that it takes, and the real call."""

    name: str
    operations: tuple[Operation, ...]
    object_name: str
    do: Callable[[Any, str, str], object]


def resumable(client: Any, bucket: str, name: str) -> None:
    client.bucket(bucket).blob(name, chunk_size=256 * 1024).upload_from_string(b"x" * 300_000)


def copy(client: Any, bucket: str, name: str) -> None:
    client.bucket(bucket).blob(name).rewrite(client.bucket(bucket).blob(name))


def compose(client: Any, bucket: str, name: str) -> None:
    client.bucket(bucket).blob(name).compose([client.bucket(bucket).blob(name)])


def remove_in_batch(client: Any, bucket: str, name: str) -> None:
    with client.batch():
        client.bucket(bucket).blob(name).delete()


def overwrite_that_one(client: Any, bucket: str, name: str) -> None:
    """Only the generation that is there; told by one who may see it."""
    known = generation_of(bucket, name)
    client.bucket(bucket).blob(name).upload_from_string("again", if_generation_match=known)


def delete_that_one(client: Any, bucket: str, name: str) -> None:
    client.bucket(bucket).blob(name).delete(if_generation_match=generation_of(bucket, name))


def create_if_there_is_none(client: Any, bucket: str, name: str) -> None:
    client.bucket(bucket).blob(name).upload_from_string("new", if_generation_match=0)


def listed(**more: Any) -> Callable[[Any, str, str], object]:
    return lambda client, bucket, prefix: list(client.list_blobs(bucket, prefix=prefix, **more))


# What "one" and "new" are called: each is legal on Google Cloud and means nothing but itself there.
LEAVES = (
    "one", "one", "../one", "../../b/one", "..", "./one", "//one", "b/one", "%2E%2E%2Fb%2Fone", "a%2Fone", "ö ne+",
    "one?generation=1", "one#x", "one;name=b/one", "..\\b\\one", "one&prefix=b/", " ", "\u202eone", "x\0one",
    "/../../../closed-bucket/objects/a/one",
)  # fmt: skip
OVER, READ = Operation.OVERWRITE, Operation.READ
DEEDS = (
    Deed(
        "list with all that narrows",
        (Operation.LIST,),
        "a/",
        listed(delimiter="/", start_offset="a/", end_offset="c"),
    ),
    Deed("list by a glob", (Operation.LIST,), "a/", listed(match_glob="**", versions=True)),
    Deed("list from elsewhere", (Operation.LIST,), "b/", listed(start_offset="a/", max_results=1)),
    Deed("overwrite that one", (OVER,), "a/one", overwrite_that_one),
    Deed("delete that one", (Operation.DELETE,), "b/one", delete_that_one),
    Deed("create if there is none", (Operation.CREATE,), "b/new", create_if_there_is_none),
    Deed("read", (READ,), "a/one", lambda c, b, n: c.bucket(b).blob(n).download_as_bytes()),
    Deed("read", (READ,), "b/one", lambda c, b, n: c.bucket(b).blob(n).download_as_bytes()),
    Deed("look", (READ,), "a/one", lambda c, b, n: c.bucket(b).get_blob(n).size),
    Deed("list", (Operation.LIST,), "a/", lambda c, b, n: list(c.list_blobs(b, prefix=n))),
    Deed("list all", (Operation.LIST,), "", lambda c, b, n: list(c.list_blobs(b))),
    Deed(
        "create", (Operation.CREATE,), "a/new", lambda c, b, n: c.bucket(b).blob(n).upload_from_string("new")
    ),
    Deed("create b", (Operation.CREATE,), "b/new", resumable),
    Deed("overwrite", (OVER,), "a/one", lambda c, b, n: c.bucket(b).blob(n).upload_from_string("again")),
    Deed("overwrite b", (OVER,), "b/one", resumable),
    Deed("delete", (Operation.DELETE,), "a/one", lambda c, b, n: c.bucket(b).blob(n).delete()),
    Deed("delete b", (Operation.DELETE,), "b/one", remove_in_batch),
    Deed("copy", (READ, OVER), "a/one", copy),
    Deed("compose", (READ, OVER), "b/one", compose),
    Deed("get bucket", (Operation.GET_BUCKET,), "", lambda c, b, n: c.get_bucket(b)),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("agreement")) as found:
        found.world.accounts[STRANGER.partition(":")[2]] = type(found.world.buckets["lab-data"])(
            "other-project", {"version": 1, "bindings": []}
        )
        yield found


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that takes longer than its 10 s would be a verdict on the machine."""
    monkeypatch.setattr("iam.policy_reader.TIMEOUT", 600.0)
    monkeypatch.setattr("raydock.gcp.lab_api.SECONDS", 600.0)


def members(chance: random.Random, project: str) -> list[str]:
    known = [
        *PRINCIPALS, "allUsers", "allAuthenticatedUsers", "domain:example.com", "group:team@example.com",
        f"projectOwner:{project}", f"projectEditor:{project}", f"projectViewer:{project}",
        f"deleted:{TRAINER}?uid=1", "user:bob@example.org",
    ]  # fmt: skip
    weights = [6, 6, 6, 6, 1, 1, 2, 2, 2, 2, 2, 1, 1]
    return chance.choices(known, weights, k=chance.randint(1, 2))


def bindings(chance: random.Random, project: str, bucket: str, most: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(chance.randint(0, most)):
        binding: dict[str, Any] = {"role": chance.choice(ROLES), "members": members(chance, project)}
        if chance.random() < 0.35 and binding["role"] not in ("roles/owner", "roles/editor", "roles/viewer"):
            binding["condition"] = {
                "title": "c",
                "expression": chance.choice(CONDITIONS).format(bucket=bucket),
            }
        found.append(binding)
    return found


def make_world(chance: random.Random, lab: RunningCloud, bucket: str) -> None:
    """Random policies on a bucket, its project and the trainer's account."""
    from cloud.lab_state import legacy_bindings

    project = BUCKETS[bucket]
    world = lab.world
    owner = [{"role": "roles/owner", "members": [YOU]}] if chance.random() < 0.95 else []
    world.set_policy(
        world.projects[project], {"version": 3, "bindings": owner + bindings(chance, project, bucket, 3)}
    )
    legacy = legacy_bindings(project) if chance.random() < 0.9 else []
    world.set_policy(
        world.buckets[bucket], {"version": 3, "bindings": legacy + bindings(chance, project, bucket, 4)}
    )
    token = {"role": "roles/iam.serviceAccountTokenCreator", "members": [YOU]}
    for account in world.accounts.values():
        policy = {"version": 1, "bindings": [token] if chance.random() < 0.5 else []}
        world.set_policy(account, policy)
    world.deny[project] = [deny(chance)] if chance.random() < 0.15 else []


def deny(chance: random.Random) -> dict[str, Any]:
    kind, _, address = chance.choice(PRINCIPALS).partition(":")
    place = "goog/subject" if kind == "user" else "iam.googleapis.com/projects/-/serviceAccounts"
    permission = chance.choice(["objects.get", "objects.create", "objects.delete", "objects.list"])
    rule: dict[str, Any] = {
        "deniedPrincipals": [f"principal://{place}/{address}"],
        "deniedPermissions": [f"storage.googleapis.com/{permission}"],
    }
    return {"rules": [{"denyRule": rule}]}


def verdict(lab: RunningCloud, principal: str, deed: Deed, bucket: str, name: str) -> Verdict:
    uri = f"gs://{bucket}/{name}"
    needs = [
        RequiredPermission(uri, bucket, name, operation, operation.permissions, "the test")
        for operation in deed.operations
    ]

    async def ask() -> list[Verdict]:
        async with httpx.AsyncClient() as client:
            asker = PolicyReader(client, lab.place, await lab.place.token(client))
            return [one.verdict for one in await check(principal, needs, asker)]

    found = asyncio.run(ask())
    for worst in (Verdict.DENIED, Verdict.UNKNOWN):
        if worst in found:
            return worst
    return Verdict.GRANTED


GENERATIONS: dict[tuple[str, str], int] = {}


def generation_of(bucket: str, name: str) -> int:
    return GENERATIONS[bucket, name]


def prepare(lab: RunningCloud, bucket: str, deed: Deed, name: str) -> None:
    """The object that the deed finds, made past the front, whatever the policies are."""

    async def put() -> None:
        service = lab.cloud.service
        found = service.index.object(bucket, name) if name else None
        if deed.object_name.endswith("one"):
            GENERATIONS[bucket, name] = put_text(service, bucket, name, "one").generation
        elif found:
            service.index.delete(found, forever=True)

    asyncio.run_coroutine_threadsafe(put(), lab.loop).result(30)


def allowed(client: Any, deed: Deed, bucket: str, name: str) -> bool:
    from google.api_core.exceptions import Forbidden

    try:
        deed.do(client, bucket, name)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.nightly(f"{HERE}[0]")) for part in range(1, PARTS))]
)
def test_the_checks_verdict_is_what_storage_then_does(lab: RunningCloud, part: int) -> None:
    chance = random.Random(f"raydock {part}")
    clients = {principal: lab.client(principal) for principal in PRINCIPALS}
    seen: Counter[tuple[Verdict, bool]] = Counter()
    wrong = []
    for number in range(WORLDS):
        bucket = chance.choice(list(BUCKETS))
        make_world(chance, lab, bucket)
        principal, deed = chance.choice(PRINCIPALS), chance.choice(DEEDS)
        leaf = chance.choice(LEAVES)
        name = deed.object_name.replace("one", leaf).replace("new", f"{leaf}.new")
        prepare(lab, bucket, deed, name)
        said = verdict(lab, principal, deed, bucket, name)
        did = allowed(clients[principal], deed, bucket, name)
        seen[said, did] += 1
        if said is not Verdict.UNKNOWN and did is not (said is Verdict.GRANTED):
            policies = (lab.world.projects[BUCKETS[bucket]].policy, lab.world.buckets[bucket].policy)
            wrong.append((number, principal, deed.name, bucket, name, said, did, policies, lab.world.deny))
    assert not wrong, wrong[0]
    unknown = sum(count for (said, _), count in seen.items() if said is Verdict.UNKNOWN)
    decided = {said for said, _ in seen}
    assert decided == set(Verdict)  # all three were met: the test has seen both sides
    assert min(seen[Verdict.GRANTED, True], seen[Verdict.DENIED, False]) > WORLDS // 10, seen
    assert unknown < WORLDS * 0.3, seen
