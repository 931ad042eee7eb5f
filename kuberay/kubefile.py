"""The files of a kubeconfig, merged as kubectl does: of several entries with the same name, the first counts.

Source: kubernetes/client-go, `tools/clientcmd/loader.go`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kuberay.errors import NotConfigured
from raydock.answers import mapping, rows, text

DEFAULT_FILE = "~/.kube/config"
CREATE = "gcloud container clusters get-credentials CLUSTER --region REGION, or: export KUBECONFIG=FILE"
KINDS = {"clusters": "cluster", "users": "user", "contexts": "context"}
PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(slots=True)
class KubeFile:
    """The merged files: entries by name. Their paths are absolute. `path` is what KUBECONFIG names."""

    path: str
    current: str = ""
    clusters: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    users: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    contexts: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, found: Mapping[str, Any], folder: Path) -> None:
        """Add what one file has and no earlier one had."""
        self.current = self.current or text(found.get("current-context"))
        for kind, key in KINDS.items():
            entries: dict[str, Mapping[str, Any]] = getattr(self, kind)
            for row in rows(found.get(kind)):
                entries.setdefault(text(row.get("name")), dict(absolute(mapping(row.get(key)), folder)))

    def choose(self, context: str) -> str:
        """The name of that context, or of the current one. Raises NotConfigured."""
        chosen, listed = context or self.current, ", ".join(self.contexts) or "none"
        if chosen in self.contexts:
            return chosen
        first = f"--context {shlex.quote(next(iter(self.contexts)))}" if self.contexts else ""
        if chosen:
            text = f"There is no context {chosen} in the kubeconfig {self.path}; its contexts: {listed}."
            raise NotConfigured(text, first or CREATE)
        text = f"The kubeconfig {self.path} has no current context; its contexts: {listed}."
        raise NotConfigured(text, f"add {first}" if first else CREATE)

    def named(self, kind: str, context: str) -> Mapping[str, Any]:
        """The cluster or the user of a context; empty if it names none. Raises NotConfigured if it is missing."""
        entries: dict[str, Mapping[str, Any]] = getattr(self, kind)
        name = text(self.contexts[context].get(KINDS[kind]))
        if name and name not in entries:
            raise unusable(self.path, f"context {context} names {KINDS[kind]} {name}, which it does not have")
        return entries.get(name, {})


def load() -> KubeFile:
    """The files that KUBECONFIG names, or the default one. Raises NotConfigured."""
    path = os.environ.get("KUBECONFIG") or DEFAULT_FILE
    files = [file for one in path.split(os.pathsep) if one and (file := Path(one).expanduser()).exists()]
    if not files:
        raise NotConfigured(f"There is no kubeconfig: {path} does not exist.", CREATE)
    found = KubeFile(path)
    for file in files:
        found.add(parsed(file), file.absolute().parent)
    return found


def parsed(path: Path) -> Mapping[str, Any]:
    """One file. Raises NotConfigured."""
    import yaml

    try:
        found = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError) as fault:
        raise unusable(str(path), str(getattr(fault, "strerror", None) or fault)) from None
    if found is not None and not isinstance(found, Mapping):
        raise unusable(str(path), "it has no contexts, clusters and users")
    return found or {}


def unusable(path: str, why: str) -> NotConfigured:
    """The error for an invalid kubeconfig."""
    short = " ".join(why.split())[:300].rstrip(".")
    return NotConfigured(f"The kubeconfig {path} can't be used: {short}.", CREATE)


def absolute(entry: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, Any]]:
    """An entry, with paths that were relative to its file. A plugin without a folder is looked up in PATH."""
    for name, value in entry.items():
        if name in PATHS and isinstance(value, str) and value:
            yield name, str(folder / value)
        elif name == "exec" and os.sep in (command := text(mapping(value).get("command"))):
            yield name, {**value, "command": str(folder / command)}
        else:
            yield name, value
