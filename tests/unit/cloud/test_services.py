"""The metadata server, tokens, and Google's services other than Cloud Storage."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from cloud.identity.tokens import BadToken, Tokens, load_secret
from cloud.network.certificates import load_authority
from tests.labcloud import AGENT, KEY, TRAINER, YOU, RunningCloud

FLAVOR = {"Metadata-Flavor": "Google"}
ACCOUNT = TRAINER.partition(":")[2]


def metadata(lab: RunningCloud, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"http://{lab.metadata}{path}", headers=FLAVOR | headers, timeout=60)


def google(
    lab: RunningCloud, method: str, host: str, path: str, principal: str, body: Any = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {lab.token(principal)}"} if principal else {}
    return httpx.request(method, f"{lab.gateway}/google/{host}{path}", headers=headers, json=body, timeout=60)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/computeMetadata/v1/project/project-id", "lab-project"),
        ("/computeMetadata/v1/project/numeric-project-id", "123456789012"),
        ("/computeMetadata/v1/universe/universe-domain", "googleapis.com"),
        ("/computeMetadata/v1/instance/service-accounts/default/email", AGENT.partition(":")[2]),
        ("/computeMetadata/v1/instance/service-accounts/default/aliases", "default\n"),
        ("/computeMetadata/v1/", "instance/\nproject/\nuniverse/\n"),
        ("/", "computeMetadata/\n"),
    ],
)
def test_the_metadata_server_returns_the_identity(lab: RunningCloud, path: str, text: str) -> None:
    reply = metadata(lab, path)
    assert (reply.status_code, reply.text) == (200, text)
    assert reply.headers["Metadata-Flavor"] == "Google"


def test_metadata_directories_as_json(lab: RunningCloud) -> None:
    told = metadata(lab, "/computeMetadata/v1/instance/service-accounts/default/?recursive=true").json()
    assert told["email"] == AGENT.partition(":")[2]
    assert "token" not in told
    assert (
        metadata(lab, "/computeMetadata/v1/?recursive=true").json()["project"]["projectId"] == "lab-project"
    )


def test_metadata_request_rules(lab: RunningCloud) -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    assert httpx.get(f"http://{lab.metadata}{path}", timeout=60).status_code == 403
    assert metadata(lab, path, **{"X-Forwarded-For": "1.2.3.4"}).status_code == 403
    assert metadata(lab, "/computeMetadata/v1/nothing").status_code == 404
    assert metadata(lab, path, Host="evil.example").status_code == 403
    assert httpx.post(f"http://{lab.metadata}{path}", headers=FLAVOR, timeout=60).status_code == 405


def test_a_token_is_the_principals_until_it_expires(lab: RunningCloud) -> None:
    told = metadata(lab, "/computeMetadata/v1/instance/service-accounts/default/token").json()
    assert 3500 < told["expires_in"] <= 3600
    assert lab.cloud.tokens.principal(told["access_token"]) == AGENT
    now = [time.time()]
    tokens = Tokens(b"s" * 32, 60, clock=lambda: now[0])
    token, expires = tokens.mint(YOU)
    assert tokens.principal(token) == YOU
    now[0] = expires
    with pytest.raises(BadToken, match="expired"):
        tokens.principal(token)
    assert tokens.mint(YOU)[0] != tokens.mint(YOU)[0]
    body, _, seal = token.rpartition(".")
    for forged in (
        f"{body}x.{seal}",
        f"{body}.{seal[:-2]}xx",
        token.replace("ya29.lab.", ""),
        "",
        "ya29.lab.",
    ):
        with pytest.raises(BadToken, match="unknown"):
            tokens.principal(forged)
    with pytest.raises(BadToken, match="unknown"):
        Tokens(b"t" * 32, 60).principal(Tokens(b"s" * 32, 60).mint(YOU)[0])


def test_secrets_and_certificates_are_private(tmp_path: Any) -> None:
    assert load_secret(tmp_path) == load_secret(tmp_path)
    authority = load_authority(tmp_path)
    before = authority.certificate.read_bytes()
    assert load_authority(tmp_path).certificate.read_bytes() == before
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert authority.server_context().minimum_version.name == "TLSv1_2"


def test_the_authority_signs_googles_names_only(tmp_path: Any) -> None:
    from cryptography import x509

    authority = load_authority(tmp_path)
    certificate = x509.load_pem_x509_certificate(authority.pem())
    limits = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert limits.value.permitted_subtrees is not None
    assert [one.value for one in limits.value.permitted_subtrees] == [
        "googleapis.com",
        "googleusercontent.com",
        "google.internal",
    ]
    assert b"PRIVATE KEY" not in authority.pem()


def test_impersonating_an_account_requires_the_permission(lab: RunningCloud) -> None:
    path = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    host, body = "iamcredentials.googleapis.com", {"scope": ["x"], "lifetime": "300s"}
    reply = google(lab, "POST", host, path, YOU, body)
    assert lab.cloud.tokens.principal(reply.json()["accessToken"]) == TRAINER
    refused = google(lab, "POST", host, path, "user:alice@example.com", body)
    assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    agent = path.replace(ACCOUNT, AGENT.partition(":")[2])
    assert google(lab, "POST", host, agent, YOU, body).status_code == 403


def test_projects_and_their_policies(lab: RunningCloud) -> None:
    host = "cloudresourcemanager.googleapis.com"
    told = google(lab, "GET", host, "/v3/projects/123456789012", YOU).json()
    assert (told["projectId"], told.get("parent")) == ("lab-project", None)
    policy = google(lab, "POST", host, "/v1/projects/lab-project:getIamPolicy", YOU, {}).json()
    assert {"roles/owner", "roles/aiplatform.customCodeServiceAgent"} <= {
        b["role"] for b in policy["bindings"]
    }
    assert google(lab, "POST", host, "/v3/projects/lab-project:getIamPolicy", TRAINER, {}).status_code == 403
    stale = {"policy": {**policy, "etag": "BwYold="}}
    conflict = google(lab, "POST", host, "/v3/projects/lab-project:setIamPolicy", YOU, stale)
    assert (conflict.status_code, conflict.json()["error"]["status"]) == (409, "ABORTED")
    asked = {"permissions": ["resourcemanager.projects.get", "storage.buckets.create"]}
    held = google(lab, "POST", host, "/v1/projects/lab-project:testIamPermissions", YOU, asked).json()
    assert held["permissions"] == asked["permissions"]
    for unknown in ("storage.objects.foo", "storage.*", "*", "x", "resourcemanager.projects.list"):
        body = {"permissions": ["storage.objects.get", unknown]}
        reply = google(lab, "POST", host, "/v3/projects/lab-project:testIamPermissions", YOU, body)
        assert (reply.status_code, reply.json()["error"]["status"]) == (400, "INVALID_ARGUMENT"), unknown
    assert google(lab, "GET", host, "/v3/projects/nowhere", YOU).status_code == 403
    assert google(lab, "GET", host, "/v9/anything", YOU).status_code == 404
    assert google(lab, "GET", host, "/v3/projects/lab-project", "").status_code == 401


def test_deleted_accounts_leave_deleted_members(lab: RunningCloud) -> None:
    host, path = "iam.googleapis.com", "/v1/projects/lab-project/serviceAccounts"
    made = google(lab, "POST", host, path, YOU, {"accountId": "tester"}).json()
    address = "tester@lab-project.iam.gserviceaccount.com"
    assert made["email"] == address
    assert google(lab, "POST", host, path, YOU, {"accountId": "tester"}).status_code == 409
    assert google(lab, "POST", host, path, YOU, {"accountId": "No"}).status_code == 400
    member = f"serviceAccount:{address}"
    lab.world.set_policy(
        lab.world.buckets["lab-models"],
        {"bindings": [{"role": "roles/storage.objectViewer", "members": [member]}]},
    )
    assert google(lab, "DELETE", host, f"{path}/{address}", YOU).status_code == 200
    assert google(lab, "GET", host, f"{path}/{address}", YOU).status_code == 404
    (binding,) = lab.world.buckets["lab-models"].policy["bindings"]
    assert binding["members"] == [f"deleted:{member}?uid=1"]


def test_token_info(lab: RunningCloud) -> None:
    token = lab.token(TRAINER)
    reply = httpx.get(
        f"{lab.gateway}/google/oauth2.googleapis.com/tokeninfo?access_token={token}", timeout=10
    )
    assert reply.json()["email"] == ACCOUNT
    bad = httpx.get(f"{lab.gateway}/google/oauth2.googleapis.com/tokeninfo?access_token=x", timeout=60)
    assert bad.status_code == 400


def test_the_lab_api_requires_the_key(lab: RunningCloud) -> None:
    assert httpx.get(f"{lab.gateway}/lab/", timeout=60).status_code == 401
    assert (
        httpx.post(f"{lab.gateway}/lab/token", headers={"Authorization": "Bearer x"}, timeout=60).status_code
        == 401
    )
    key = {"Authorization": f"Bearer {KEY}"}
    told = httpx.get(f"{lab.gateway}/lab/", headers=key, timeout=60).json()
    assert (told["user"], told["job"], told["project"]) == (YOU, AGENT, "lab-project")
    token = httpx.post(f"{lab.gateway}/lab/token", headers=key, timeout=60).json()["access_token"]
    assert lab.cloud.tokens.principal(token) == YOU
    assert httpx.get(f"{lab.gateway}/lab/elsewhere", headers=key, timeout=60).status_code == 404
