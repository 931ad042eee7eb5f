"""What the caller may do on a real Kubernetes API server: 12 roles, each of which lacks one verb.

For each, the check names the verb before anything is sent, the server denies the same request, and the role that the
check prints grants it.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kuberay import access
from kuberay.access import LIST_CLUSTERS, READ_ACCOUNTS, READ_EVENTS, READ_PODS, Access
from tests import kubeserver
from tests.command import Ended, environment, submit
from tests.fakekube import raycluster
from tests.fakes import FakeDashboard
from tests.kubeserver import DEVELOPER, KubeServer
from tests.relay import Relay

UNIT = "tests/unit/submit/test_kuberay_target.py"
pytestmark = kubeserver.needed(
    f"{UNIT}::test_each_missing_verb_is_named_before_anything_is_sent",
    f"{UNIT}::test_waits_and_says_why",
    f"{UNIT}::test_every_service_account_of_the_pods_has_an_identity_or_a_reason",
)
GET_CLUSTER, READ, SUBMIT, UPLOAD = access.needed_for("lab", "lab-head-svc")
NEEDED = (GET_CLUSTER, READ, SUBMIT, UPLOAD, LIST_CLUSTERS, READ_ACCOUNTS, READ_PODS, READ_EVENTS)
READY, WAITING = "ray", "waiting"  # namespaces: their cluster is ready, or is not
PROXY = "services/lab-head-svc:dashboard/proxy"
REQUESTS = {
    GET_CLUSTER: ("GET", "rayclusters/lab"),
    LIST_CLUSTERS: ("GET", "rayclusters"),
    READ: ("GET", f"{PROXY}/api/version"),
    SUBMIT: ("POST", f"{PROXY}/api/jobs/"),
    UPLOAD: ("PUT", f"{PROXY}/api/packages/gcs/x"),
    READ_ACCOUNTS: ("GET", "serviceaccounts/ray-head"),
    READ_PODS: ("GET", "pods"),
    READ_EVENTS: ("GET", "events"),
}


def rule(one: Access, **more: Any) -> dict[str, Any]:
    return {"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb], **more}


@dataclass(frozen=True)
class Role:
    """A role with all that is needed but one verb, and perhaps something similar instead."""

    lacks: Access
    instead: tuple[dict[str, Any], ...] = ()

    @property
    def rules(self) -> list[dict[str, Any]]:
        return [rule(one) for one in NEEDED if one is not self.lacks] + list(self.instead)

    @property
    def namespace(self) -> str:
        return WAITING if self.lacks in (READ_PODS, READ_EVENTS) else READY

    @property
    def printed(self) -> str:
        """The first of the commands that grant the verb."""
        name = f"raydock-{self.lacks.verb}-{self.lacks.full_resource.replace('/', '-').replace('.', '-')}"
        verb, resource = f"--verb={self.lacks.verb}", f"--resource={self.lacks.full_resource}"
        return f"kubectl --context real -n {self.namespace} create role {name} {verb} {resource}"

    def complaint(self) -> str:
        """What the check says."""
        if self.lacks is READ_ACCOUNTS:
            return "your account may not read Kubernetes service account ray-head (head)"
        if self.lacks in (READ_PODS, READ_EVENTS):
            return f"your account may not {self.lacks.verb} {self.lacks.resource}, which would show why"
        return f"Your account may not {self.lacks.verb} {self.lacks.full_resource} in namespace {READY}"

    def code(self) -> int:
        """How the check ends."""
        return 4 if self.namespace == WAITING else 3


ROLES = {
    **{f"{one.verb} {one.full_resource}": Role(one) for one in NEEDED},
    "rayclusters of no API group": Role(GET_CLUSTER, (rule(GET_CLUSTER, apiGroups=[""]),)),
    "another cluster only": Role(GET_CLUSTER, (rule(GET_CLUSTER, resourceNames=["other"]),)),
    "services without /proxy": Role(READ, (rule(READ, resources=["services", "pods/proxy"]),)),
    "another cluster's head only": Role(SUBMIT, (rule(SUBMIT, resourceNames=["other-head-svc:dashboard"]),)),
}


@pytest.fixture(scope="module")
def server(kube_server: KubeServer) -> Iterator[KubeServer]:
    with FakeDashboard() as ray, Relay(ray.port, kubeserver.own_address()) as relay:
        for space in (READY, WAITING):
            kube_server.namespace(space, "ray-head", "default")
            cluster = raycluster(namespace=space)
            if space == WAITING:
                cluster["status"] = {"state": "", "conditions": []}
            kubeserver.expose(kube_server, cluster, relay.port)
        yield kube_server


@dataclass(frozen=True)
class Developer:
    """The caller, whose rights the tests change."""

    server: KubeServer
    env: dict[str, str]
    job: Path

    def check(self, role: Role) -> Ended:
        named = [] if role.lacks is LIST_CLUSTERS else ["--cluster", "lab"]
        words = ["check", "--target", "kuberay", "--namespace", role.namespace, "--cluster-wait", "1s"]
        return submit(*words, *named, self.job, env=self.env)

    def ask(self, role: Role) -> tuple[int, str]:
        """The request for which the role lacks the verb: the server's answer."""
        method, path = REQUESTS[role.lacks]
        base = kubeserver.RAY if role.lacks.group else "/api/v1"
        headers = {"Authorization": f"Bearer {DEVELOPER}"}
        url = f"{base}/namespaces/{role.namespace}/{path}"
        reply = self.server.admin.request(method, url, headers=headers, content=b"")
        return reply.status_code, reply.text


@pytest.fixture
def developer(server: KubeServer, tmp_path: Path) -> Developer:
    job = tmp_path / "x.py"
    job.write_text('# /// script\n# [tool.submit]\n# reads = ["gs://some-bucket/x"]\n# ///\nprint(1)\n')
    config = server.kubeconfig(tmp_path / "config", DEVELOPER)
    return Developer(server, environment(KUBECONFIG=str(config), RAYDOCK_STATE=str(tmp_path / "state")), job)


def test_there_are_12_roles() -> None:
    assert len(ROLES) == 12


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_the_check_names_the_verb_that_the_server_denies(developer: Developer, role: Role) -> None:
    developer.server.grant(role.namespace, role.rules)
    before = len(developer.server.requests())
    done = developer.check(role)
    sent = developer.server.requests(before)
    assert (done.code, role.complaint() in done.err, role.printed in done.err) == (role.code(), True, True), (
        done.err
    )
    assert sent
    assert not {("create", "services/proxy"), ("update", "services/proxy")} & set(sent)
    if role.code() == 3 and role.lacks is not READ_ACCOUNTS:
        assert all(what.startswith("selfsubject") for verb, what in sent if verb == "create"), sent
        assert "services/proxy" not in {what for _, what in sent}
    status, text = developer.ask(role)
    assert status == 403
    assert f'User \\"dev\\" cannot {role.lacks.verb} resource \\"{role.lacks.resource}\\"' in text
    grant(done.err, developer)
    assert role.complaint() not in developer.check(role).err
    assert developer.ask(role)[0] != 403


def test_a_caller_without_any_right_gets_all_roles_at_once(developer: Developer) -> None:
    developer.server.grant(READY, [])
    role = Role(GET_CLUSTER)
    refused = developer.check(role)
    grant(refused.err, developer)
    again = developer.check(role)
    assert (refused.code, "Your account may not " in refused.err) == (3, True)
    assert "Your account may not " not in again.err


def grant(printed: str, developer: Developer) -> None:
    """Runs the commands that the check printed, as the administrator."""
    assert shutil.which("kubectl"), "install kubectl: the tests run the commands that the check prints"
    config = developer.server.kubeconfig(developer.job.with_name("admin"), kubeserver.ADMIN)
    env = {**developer.env, "KUBECONFIG": str(config)}
    lines = [line.strip().removeprefix("→ ") for line in printed.splitlines()]
    wanted = [line for line in lines if line.startswith("kubectl") and " create role" in line]
    for line in wanted:
        subprocess.run(shlex.split(line.replace("=USER", "=dev")), check=True, env=env, timeout=120)
