"""What the caller must be allowed to do, asked of the API server itself before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from kuberay.client import KubeClient
from kuberay.errors import AccessDenied, ClusterNotFound, KuberayError
from kuberay.kubeconfig import KubeContext
from raydock.answers import mapping, text

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
VERBS = {
    "GET": "get",
    "POST": "create",
    "PUT": "update",
}  # of the proxy: status and logs, submissions, packages


@dataclass(frozen=True, slots=True)
class Access:
    """One verb on a resource, such as `create services/proxy`. `name` is the object's, "" for all of them."""

    verb: str
    resource: str
    group: str = ""
    name: str = ""

    @property
    def full_resource(self) -> str:
        """The resource as kubectl takes it."""
        kind, slash, sub = self.resource.partition("/")
        return (f"{kind}.{self.group}" if self.group else kind) + slash + sub


LIST_CLUSTERS = Access("list", "rayclusters", "ray.io")
READ_ACCOUNTS = Access("get", "serviceaccounts")
READ_PODS = Access("list", "pods")
READ_EVENTS = Access("list", "events")


def needed_for(cluster: str, service: str, methods: Sequence[str] = tuple(VERBS)) -> tuple[Access, ...]:
    """What a command needs: to find the cluster, and to send such requests to the dashboard behind its service."""
    proxied = (Access(VERBS[method], "services/proxy", name=f"{service}:dashboard") for method in methods)
    return (Access("get", "rayclusters", "ray.io", cluster), *proxied)


def require(client: KubeClient, accesses: Sequence[Access]) -> None:
    """Raises AccessDenied that names each missing verb and the role that grants it, or ClusterNotFound if the
    namespace does not exist."""
    missing = missing_of(client, accesses)
    if missing:
        raise_if_namespace_missing(client)
        raise denied(client.context, missing, user_name(client))


def missing_of(client: KubeClient, accesses: Sequence[Access]) -> list[Access]:
    """The subset that the caller may not do, asked in parallel."""
    with ThreadPoolExecutor(max_workers=len(accesses)) as threads:
        allowed = threads.map(lambda one: review(client, one), accesses)
        return [one for one, may in zip(accesses, allowed, strict=True) if not may]


def review(client: KubeClient, access: Access) -> bool:
    """Whether the caller may do this, as the API server's authorizer says."""
    kind, _, sub = access.resource.partition("/")
    attributes = {
        "namespace": client.context.namespace,
        "verb": access.verb,
        "group": access.group,
        "resource": kind,
        "subresource": sub,
        "name": access.name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }
    return mapping(client.post(REVIEWS, body).get("status")).get("allowed") is True


def raise_if_namespace_missing(client: KubeClient) -> None:
    """Raises ClusterNotFound if the namespace does not exist; callers may often not ask that."""
    context = client.context
    with suppress(AccessDenied):
        try:
            client.get(f"/api/v1/namespaces/{context.namespace}")
        except ClusterNotFound:
            raise ClusterNotFound(
                f"There is no namespace {context.namespace} in the cluster of context {context.name}.",
                f"to list them: kubectl {context.flag} get namespaces",
            ) from None


def user_name(client: KubeClient) -> str:
    """The caller's name for the API server; "" if it does not say, as servers before 1.28."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    with suppress(KuberayError):
        return text(mapping(client.post(WHOAMI, body), "status", "userInfo").get("username"))
    return ""


def denied(context: KubeContext, missing: Sequence[Access], user: str = "") -> AccessDenied:
    """The error for missing verbs, with the commands that grant them."""
    verbs = " and ".join(f"{one.verb} {one.full_resource}" for one in missing)
    return AccessDenied(
        f"{user or 'Your account'} may not {verbs} in namespace {context.namespace} of context {context.name}.",
        "an administrator of the namespace grants it:\n" + grant(context, missing, user),
    )


def grant(context: KubeContext, accesses: Iterable[Access], user: str = "") -> str:
    """The commands that create a role for each resource and bind it to the user."""
    by_resource: dict[str, list[str]] = {}
    for one in accesses:
        by_resource.setdefault(one.full_resource, []).append(one.verb)
    lines = []
    for resource, verbs in by_resource.items():
        role = f"raydock-{'-'.join(verbs)}-{resource.replace('/', '-').replace('.', '-')}"
        lines.append(
            f"kubectl {context.flags} create role {role} --verb={','.join(verbs)} --resource={resource}\n"
            f"kubectl {context.flags} create rolebinding {role} --role={role} --user={user or 'USER'}"
        )
    return "\n".join(lines)
