"""Runs `python -m cluster fault`. Returns the text to print."""

from __future__ import annotations

import argparse
import json
from typing import Any

from cluster import runtimes
from cluster.fault import client, node, options, text
from cluster.runtimes import Context
from cluster.sizes import of_running
from cluster.state import lock


def run(given: argparse.Namespace, context: Context) -> str:
    """Start, list or end faults. Raises a RaydockError."""
    chosen = options.checked(given)
    wanted = options.wanted(given) if given.what in options.OPTIONS and "seconds" in chosen else None
    runtime = runtimes.current(context)
    lab = client.of_cluster(context.dashboard)
    if wanted and wanted.fault.kind == "node":
        with lock.held(context.state):
            return text.started(node.kill(of_running(context), runtime, lab, wanted))
    if wanted:
        notes = [text.started(lab.start(wanted)), *note(runtime, wanted.fault.kind)]
        return "\n".join(notes)
    if given.what == "list":
        found = lab.active()
        return json.dumps(text.as_json(found), indent=1) if chosen["json"] else text.listed(found)
    ended = lab.clear(given.names)
    if names := [one.fault.node for one in ended if one.fault.node]:
        with lock.held(context.state):
            node.start_again(of_running(context), runtime, names)
    return text.cleared(ended)


def note(runtime: str, kind: str) -> list[str]:
    """What a fault does not do on this runtime."""
    if runtime == "processes" and kind == "tokens":
        return ["Cloud Storage is not affected: on this runtime, its clients send no tokens."]
    return []


def active_json(context: Context) -> list[dict[str, Any]]:
    """The active faults for `status --json`. Raises Unreachable."""
    return text.as_json(client.of_cluster(context.dashboard).active())


def active(context: Context) -> str:
    """The active faults for `status`, "" if there are none. Raises Unreachable."""
    found = client.of_cluster(context.dashboard).active()
    return text.listed(found) if found else ""
