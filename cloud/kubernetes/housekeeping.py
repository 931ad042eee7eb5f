"""What Kubernetes' controller manager does and the lab needs: default service accounts, and deleting namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.kubernetes.api import CORE, RAY, Api
from raydock.answers import mapping

Json = Mapping[str, Any]
CONTENTS = (
    *(f"{RAY}/namespaces/{{}}/{kind}" for kind in ("rayjobs", "rayclusters")),
    *(f"{CORE}/namespaces/{{}}/{kind}" for kind in ("configmaps", "secrets", "events", "serviceaccounts")),
    *(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{{}}/{kind}" for kind in ("rolebindings", "roles")),
)


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Keeps the namespaces in order."""

    api: Api

    async def reconcile(self) -> None:
        """Create missing default accounts, and empty the namespaces that are being deleted."""
        accounts = await self.api.listed(CORE, "serviceaccounts")
        names = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in accounts}
        for space in await self.api.items(f"{CORE}/namespaces"):
            name = space["metadata"]["name"]
            if self.api.namespace not in ("", name):
                continue
            if "deletionTimestamp" in space["metadata"]:
                await self.finish(space)
            elif (name, "default") not in names:
                path = f"{CORE}/namespaces/{name}/serviceaccounts"
                await self.api.create(path, {"metadata": {"name": "default"}})

    async def finish(self, space: Json) -> None:
        """Delete what a namespace contains, and let it go once its pods have ended."""
        name = space["metadata"]["name"]
        for path in CONTENTS:
            await self.api.call("DELETE", path.format(name))
        if await self.api.items(f"{CORE}/namespaces/{name}/pods"):
            return
        emptied = {**space, "spec": {**mapping(space.get("spec")), "finalizers": []}}
        await self.api.unless_gone("PUT", f"{CORE}/namespaces/{name}/finalize", emptied)
