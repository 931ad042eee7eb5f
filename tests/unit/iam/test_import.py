"""`python -m iam import`: what is read, what is hidden, and hostile projects, through the lab's real gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud import state_file
from cloud.lab_state import LabState
from iam.lab.imported import LabCluster, LabPool, LabRole
from iam.policy import resource as resources
from iam.policy.evaluate import Verdict
from iam.policy.policies import policy_from_json
from iam.policy_reader import BucketAccess, PolicyReader
from iam.project_import.cluster import read_cluster
from iam.project_import.document import lab_text
from iam.project_import.snapshot import AccountSnapshot, BucketSnapshot, ProjectSnapshot
from raydock.errors import NotFound, PermissionDenied, RaydockError
from tests.labcloud import TRAINER, lab_cloud
from tests.unit.iam.conftest import CommandResult, Lab

Reply = Callable[[str, str], httpx.Response | None]
ALICE, ADDRESS = "user:alice@example.com", TRAINER.partition(":")[2]


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reply], None]:
    """Replaces the replies to some calls. The others go to the lab, which acts as the real project."""
    send = PolicyReader.send

    def replace(reply: Reply) -> None:
        async def sending(self: PolicyReader, method: str, host: str, path: str, body: Any = None) -> Any:
            return reply(host, path.partition("?")[0]) or await send(self, method, host, path, body)

        monkeypatch.setattr(PolicyReader, "send", sending)

    return replace


def refused(message: str = "Permission denied", **more: Any) -> httpx.Response:
    return httpx.Response(403, json={"error": {"code": 403, "message": message, **more}})


def run(lab: Lab, file: Path, *words: str) -> CommandResult:
    return lab.iam("import", "--target", "local", "--output", str(file), *words)


def load(file: Path) -> LabState:
    return state_file.load(file, None)


def test_the_whole_project_and_what_to_do_next(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    done = run(lab, file)
    assert done.code == 0, done.err
    assert done.out == (
        "Read project lab-project as user:you@example.com: 2 buckets and 1 service account.\n"
        f"Wrote {file}. To use it, add to .env and run make cluster-up:\n"
        f"LAB_FILE={file}\nLAB_PROJECT=lab-project\n"
    )
    found = load(file)
    assert found.projects["lab-project"].policy == lab.world.projects["lab-project"].policy
    assert found.buckets.keys() == {"lab-data", "lab-models"}
    assert found.job == lab.world.job


def test_a_file_is_replaced_only_with_force(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text("mine")
    done = run(lab, file)
    assert (done.code, file.read_text()) == (3, "mine")
    assert done.err == (
        f"iam: {file} already exists.\n   → add --force to replace it, or pass --output FILE\n"
    )
    assert run(lab, file, "--force").code == 0
    assert run(lab, tmp_path).err.startswith(f"iam: {tmp_path} is a folder.")
    assert "can't be written" in run(lab, tmp_path / "no" / "x.yaml").err


def test_what_is_hidden_is_unknown_and_the_refusal_says_what_it_was(
    lab: Lab, tmp_path: Path, google: Callable[[Reply], None]
) -> None:
    google(lambda host, path: refused() if "denypolicies" in path or path == "/storage/v1/b" else None)
    file = tmp_path / "new.yaml"
    done = run(lab, file, "--bucket", "gs://lab-data")
    assert "  · the deny policies of project lab-project: needs iam.denypolicies.list, which" in done.out
    assert (
        "  · the list of buckets of project lab-project: needs storage.buckets.list: gcloud proj" in done.out
    )
    with lab_cloud(tmp_path, file) as imported:
        from google.api_core.exceptions import Forbidden

        for bucket, why in (
            ("lab-data", "but the deny policies of project lab-project could not be read."),
            ("lab-models", "can't tell whether gs://lab-models exists"),
        ):
            with pytest.raises(Forbidden, match=why):
                imported.client(lab.world.job).bucket(bucket).blob("x").download_as_bytes()
        # The caller could read the policy, whatever the deny policies are.
        assert (
            imported.client(lab.world.user)
            .bucket("lab-data")
            .get_iam_policy(requested_policy_version=3)
            .bindings
        )


def test_unknown_parts_can_be_assumed_empty(
    lab: Lab, tmp_path: Path, google: Callable[[Reply], None]
) -> None:
    google(lambda host, path: refused() if "denypolicies" in path else None)
    done = run(lab, tmp_path / "new.yaml", "--assume-none", "deny", "--json")
    told = json.loads(done.out)
    assert told["hidden"] == []
    assert told["assumed"] == [
        "the deny policies of project lab-project: assumed empty, because of --assume-none"
    ]
    assert load(tmp_path / "new.yaml").projects["lab-project"].unknown == []


def test_a_parent_makes_inherited_policies_unknown(
    lab: Lab, tmp_path: Path, google: Callable[[Reply], None]
) -> None:
    about = {"name": "projects/123456789012", "projectId": "lab-project", "parent": "folders/7"}
    google(lambda host, path: httpx.Response(200, json=about) if path == "/v3/projects/lab-project" else None)
    done = run(lab, tmp_path / "new.yaml")
    assert "  · the policies that are inherited from folders/7: needs resourcemanager.folders.ge" in done.out
    decision = load(tmp_path / "new.yaml").decide(
        ALICE, "storage.objects.get", resources.obj("lab-data", "x")
    )
    assert decision.verdict is Verdict.UNKNOWN
    assert "but a folder or the organization above it may" in decision.why


DISABLED = {
    "details": [{"reason": "SERVICE_DISABLED", "metadata": {"service": "iam.googleapis.com"}}],
}


@pytest.mark.parametrize(
    ("reply", "code", "message", "fix"),
    [
        (
            refused(),
            3,
            "user:you@example.com can't read anything in project lab-project, or the project does not exist.",
            "--role=roles/iam.securityReviewer",
        ),
        (
            refused("x", **DISABLED),
            3,
            "can't read anything",
            "gcloud services enable iam.googleapis.com --project",
        ),
        (httpx.Response(401), 3, "rejected your credentials.", "gcloud auth application-default login"),
        (httpx.Response(404, json={}), 3, "Project lab-project does not exist.", "gcloud projects list"),
        (httpx.Response(500, json={}), 4, "returned 500", "try again"),
    ],
)
def test_nothing_is_written_if_nothing_can_be_read(
    lab: Lab,
    tmp_path: Path,
    google: Callable[[Reply], None],
    reply: httpx.Response,
    code: int,
    message: str,
    fix: str,
) -> None:
    google(lambda host, path: reply)
    done = run(lab, tmp_path / "new.yaml")
    assert (done.code, message in done.err, fix in done.err) == (code, True, True), done.err
    assert not (tmp_path / "new.yaml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--project", "123456789012"], '"123456789012" is a project\'s number.'),
        (["--project", "example.com:old"], '"example.com:old" is not a project\'s id.'),
        (["--project", "lab-project", "--bucket", "UPPER"], 'the bucket name "UPPER" may contain only'),
        (["--project", "lab-project", "--objects", "-1"], "--objects"),
        (["--project", "lab-project", "--bucket", "not-there-0"], "gs://not-there-0 does not exist."),
        (
            ["--project", "lab-project", "--bucket", "closed-bucket"],
            "belongs to project 210987654321, not to",
        ),
    ],
)
def test_wrong_arguments(lab: Lab, tmp_path: Path, words: list[str], message: str) -> None:
    done = lab.iam("import", "--target", "local", "--output", str(tmp_path / "x.yaml"), *words)
    assert done.code in (2, 3)
    assert message in done.err
    assert not (tmp_path / "x.yaml").exists()


NAMES = ("true", "null", "1e3", "0x1f", "2024-01-01", "- a", "a: b", "#x", "*x", "&x", "!x", " ", "x\0y", "\u202e",
         "\x85", "\u2028", "{", "[", "%", "@", "`", "'\"", "\U0001f600", "~", "=", "a" * 1024, "../../x")  # fmt: skip


def snapshot(**more: Any) -> ProjectSnapshot:
    fields: dict[str, Any] = {
        "policy": policy_from_json({}),
        "deny": (),
        "buckets": {},
        "accounts": {},
        **more,
    }
    return ProjectSnapshot(id="my-project", caller=ALICE, number="7", parent="", **fields)


def written(folder: Path, found: ProjectSnapshot) -> LabState:
    (folder / "lab.yaml").write_text(lab_text(found))
    return load(folder / "lab.yaml")


def test_hostile_names_and_texts_survive(tmp_path: Path) -> None:
    titles = [{"title": name, "expression": f'resource.name == "{name}"'} for name in NAMES[:-2]]
    policy = {
        "version": 3,
        "bindings": [
            {"role": "roles/storage.objectViewer", "members": [ALICE], "condition": one} for one in titles
        ],
    }
    open_access = BucketAccess("7", acls=False, private=False)
    objects = tuple((name, size) for size, name in enumerate(NAMES))
    buckets = {
        name: BucketSnapshot(policy_from_json(policy), open_access, objects=objects)
        for name in ("true", "1e3", "007", "2024-01-01", "null", "0x1f", "1_000")
    }
    found = written(tmp_path, snapshot(buckets=buckets))
    assert found.buckets.keys() == buckets.keys()
    assert found.objects["1e3"] == dict(objects)
    assert [one["condition"] for one in found.buckets["007"].policy["bindings"]] == titles


@pytest.mark.parametrize(
    ("role", "is_"),
    [
        (LabRole(("storage.objects.get",)), Verdict.GRANTED),
        (LabRole(("storage.objects.get",), "DEPRECATED"), Verdict.GRANTED),
        (LabRole(("storage.objects.get",), "DISABLED"), Verdict.DENIED),
        (LabRole(("storage.objects.get",), "DELETED"), Verdict.DENIED),
        (LabRole(("storage.objects.list",)), Verdict.DENIED),
        (LabRole(None), Verdict.UNKNOWN),
    ],
)
def test_custom_roles(tmp_path: Path, role: LabRole, is_: Verdict) -> None:
    name = "projects/my-project/roles/r.x_1"
    policy = policy_from_json({"bindings": [{"role": name, "members": [ALICE]}]})
    found = written(
        tmp_path, snapshot(policy=policy, roles={name: role}, buckets=buckets(policy_from_json({})))
    )
    assert found.decide(ALICE, "storage.objects.get", resources.obj("data", "x")).verdict is is_


def buckets(policy: Any, **more: bool) -> dict[str, BucketSnapshot]:
    access = BucketAccess("7", **{"acls": False, "private": False, **more})
    return {"data": BucketSnapshot(policy, access)}


@pytest.mark.parametrize(
    ("members", "settings", "permission", "is_"),
    [
        (["allUsers"], {}, "storage.objects.get", Verdict.GRANTED),
        (["allAuthenticatedUsers"], {}, "storage.objects.get", Verdict.GRANTED),
        (["allUsers", "allAuthenticatedUsers"], {"private": True}, "storage.objects.get", Verdict.DENIED),
        ([f"deleted:{TRAINER}?uid=123"], {}, "storage.objects.get", Verdict.DENIED),
        ([], {"acls": True}, "storage.objects.get", Verdict.UNKNOWN),
        ([], {"acls": True}, "storage.objects.update", Verdict.UNKNOWN),
        ([], {"acls": True}, "storage.objects.create", Verdict.DENIED),  # a bucket's ACL is in its policy
        ([], {"acls": True}, "storage.objects.list", Verdict.DENIED),
        (["group:team@example.com"], {}, "storage.objects.get", Verdict.UNKNOWN),
        (["domain:example.com"], {}, "storage.objects.get", Verdict.DENIED),
        (["principalSet://goog/x/y"], {}, "storage.objects.get", Verdict.UNKNOWN),
    ],
)
def test_members_and_access_settings(
    tmp_path: Path, members: list[str], settings: dict[str, bool], permission: str, is_: Verdict
) -> None:
    bindings = [{"role": "roles/storage.objectViewer", "members": members}] if members else []
    policy = policy_from_json({"bindings": bindings})
    groups = {one: None for one in members if one.startswith("group:")}
    found = written(tmp_path, snapshot(buckets=buckets(policy, **settings), groups=groups))
    assert found.decide(TRAINER, permission, resources.obj("data", "x")).verdict is is_


def test_a_hidden_list_of_accounts_keeps_those_that_policies_name(tmp_path: Path) -> None:
    mine, other = "a-job@my-project.iam.gserviceaccount.com", "x-job@their-project.iam.gserviceaccount.com"
    members = [f"serviceAccount:{mine}", f"serviceAccount:{other}", "user:ann@example.com"]
    policy = policy_from_json({"bindings": [{"role": "roles/viewer", "members": members}]})
    found = written(tmp_path, snapshot(policy=policy, all_accounts=False))
    assert {name: holder.unknown for name, holder in found.accounts.items()} == {mine: ["policy"]}
    assert found.users == [f"serviceAccount:{other}", "user:ann@example.com"]
    # A grant can be added next to those that name them.
    found.set_policy(found.projects["my-project"], found.projects["my-project"].policy)


def test_placeholders_have_the_objects_sizes_and_no_content(lab: Lab, tmp_path: Path) -> None:
    size = 3_000_001
    lab.client().bucket("lab-models").blob("a/big ö").upload_from_string(b"x" * size)
    lab.client().bucket("lab-models").blob("z").upload_from_string(b"x")
    file = tmp_path / "new.yaml"
    done = run(lab, file, "--objects", "1")
    assert "and 2 placeholders." in done.out
    with lab_cloud(tmp_path, file) as imported:
        client = imported.client(lab.world.user)
        assert [(one.name, one.size) for one in client.list_blobs("lab-models")] == [("a/big ö", size)]
        assert client.bucket("lab-models").blob("a/big ö").download_as_bytes() == bytes(
            size
        )  # and its checksum
        blobs = list((tmp_path / "objects" / "content").iterdir())
        assert sum(one.stat().st_blocks for one in blobs) * 512 < size


def test_requester_pays_and_disabled_accounts_are_noted(
    lab: Lab, tmp_path: Path, google: Callable[[Reply], None]
) -> None:
    about = {"name": "lab-data", "projectNumber": "123456789012", "billing": {"requesterPays": True}}
    accounts = {"accounts": [{"email": ADDRESS, "disabled": True}]}

    def reply(host: str, path: str) -> httpx.Response | None:
        found = {"/storage/v1/b/lab-data": about, "/v1/projects/lab-project/serviceAccounts": accounts}
        return httpx.Response(200, json=found[path]) if path in found else None

    google(reply)
    out = run(lab, tmp_path / "new.yaml").out
    assert "Note: gs://lab-data: requester pays: on Google Cloud, calls need a billing project." in out
    assert "Note: gs://lab-data: has ACLs, which are not imported" in out  # no uniform access is mentioned
    assert f"Note: {ADDRESS}: disabled in the project, but usable in the lab." in out


def test_the_members_of_groups_are_read_if_they_are_visible(
    lab: Lab, tmp_path: Path, google: Callable[[Reply], None]
) -> None:
    viewer = {"role": "roles/storage.objectViewer", "members": ["group:team@example.com"]}
    own = lab.world.buckets["lab-data"].policy["bindings"]
    lab.world.set_policy(lab.world.buckets["lab-data"], {"bindings": [*own, viewer]})

    def member(address: str, kind: str) -> dict[str, Any]:
        return {"preferredMemberKey": {"id": address}, "type": kind}

    found: dict[str, Any] = {
        "/v1/groups:lookup": {"name": "groups/1"},
        "/v1/groups/1/memberships": {
            "memberships": [member("alice@example.com", "USER"), member(ADDRESS, "SERVICE_ACCOUNT")]
        },
    }
    google(lambda host, path: httpx.Response(200, json=found[path]) if path in found else None)
    assert "1 group (1 with members)" in run(lab, tmp_path / "new.yaml").out
    assert load(tmp_path / "new.yaml").groups == {"group:team@example.com": [TRAINER, ALICE]}
    found["/v1/groups/1/memberships"]["memberships"].append(member("x", "CBCM_BROWSER"))
    assert "it has a member of type CBCM_BROWSER" in run(lab, tmp_path / "new.yaml", "--force").out
    assert load(tmp_path / "new.yaml").groups == {"group:team@example.com": None}


CLUSTER = {
    "name": "projects/7/locations/europe-west4/persistentResources/train",
    "resourcePools": [
        {"id": "head-node", "machineSpec": {"machineType": "n1-standard-16"}, "replicaCount": "1"},
        {
            "id": "worker-pool1",
            "machineSpec": {
                "machineType": "g2-standard-8",
                "acceleratorType": "NVIDIA_L4",
                "acceleratorCount": 1,
            },
            "autoscalingSpec": {"minReplicaCount": "2", "maxReplicaCount": "5"},
        },
    ],
    "resourceRuntimeSpec": {"raySpec": {}, "serviceAccountSpec": {"serviceAccount": ADDRESS}},
}


def cluster(reply: httpx.Response, name: str = "train") -> tuple[str, LabCluster]:
    async def ask() -> tuple[str, LabCluster]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda request: reply)) as client:
            from raydock.gcp.clouds import RealCloud

            return await read_cluster(PolicyReader(client, RealCloud(), "t"), "my-project", "r", name)

    return asyncio.run(ask())


def test_a_clusters_shape(tmp_path: Path) -> None:
    full = "projects/7/locations/europe-west4/persistentResources/train"
    name, shape = cluster(httpx.Response(200, json=CLUSTER), full)
    assert (name, shape) == (
        "train",
        LabCluster(
            "europe-west4",
            ADDRESS,
            (
                LabPool("head-node", "n1-standard-16", 1),
                LabPool("worker-pool1", "g2-standard-8", 2, "NVIDIA_L4", 1, 2, 5),
            ),
        ),
    )
    found = written(tmp_path, snapshot(cluster=(name, shape), accounts={ADDRESS: AccountSnapshot(None)}))
    assert found.job == TRAINER
    from iam.lab.file import read

    assert read(tmp_path / "lab.yaml").clusters == {"train": shape}


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (httpx.Response(404, json={}), NotFound, "There is no cluster train in my-project, r."),
        (refused(), PermissionDenied, "aiplatform.persistentResources.get is denied."),
        (
            httpx.Response(200, json={"resourcePools": []}),
            RaydockError,
            "train is a persistent resource, but not a Ray cluster.",
        ),
    ],
)
def test_a_cluster_that_cannot_be_read(
    reply: httpx.Response, error: type[RaydockError], message: str
) -> None:
    with pytest.raises(error) as wrong:
        cluster(reply)
    assert message in wrong.value.message
    assert wrong.value.fix
