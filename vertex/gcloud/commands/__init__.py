"""The commands, by program and name."""

from __future__ import annotations

from collections.abc import Mapping

from vertex.gcloud.commands import accounts, config, persistent_resources, projects, storage
from vertex.gcloud.invocation import Commands

PROGRAMS: Mapping[str, Commands] = {
    "gcloud": {
        **config.COMMANDS,
        **projects.COMMANDS,
        **storage.COMMANDS,
        **accounts.COMMANDS,
        **persistent_resources.COMMANDS,
    },
    "gsutil": storage.GSUTIL,
}
