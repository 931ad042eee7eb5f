"""Describes a node: its versions of Python, Ray and every package, and all importable modules.

Once it is up, each node writes the description to its session's log folder, and the dashboard serves it:
    GET /api/v0/logs/file?node_id=...&filename=raydock-node.json&lines=-1

It uses only the standard library.
"""

import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

DESCRIPTION = "raydock-node.json"


def describe() -> dict[str, object]:
    """The versions of Python, Ray and every package, the packages' requirements, and all importable modules."""
    found = {normalized(dist.metadata["Name"]): dist for dist in metadata.distributions()}
    packages = {name: dist.version for name, dist in found.items()}
    return {
        "python": platform.python_version(),
        "ray": packages.get("ray"),
        "packages": dict(sorted(packages.items())),
        "requires": {
            name: needs for name, dist in sorted(found.items()) if (needs := requires(dist, packages))
        },
        "modules": sorted({name for dist in metadata.distributions() for name in modules_of(dist)}),
    }


def normalized(name: str) -> str:
    """A package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requires(dist: metadata.Distribution, packages: Mapping[str, str]) -> list[str]:
    """The requirements of a distribution on packages that are installed, without those of its extras."""
    named = ((re.match(r"[A-Za-z0-9._-]+", text), text) for text in dist.requires or ())
    return [
        text for name, text in named if name and normalized(name[0]) in packages and "extra ==" not in text
    ]


def modules_of(dist: metadata.Distribution) -> set[str]:
    """A distribution's modules. Modules in a namespace are listed by full name: google.cloud.storage, not google."""
    listed = [path.parts for path in dist.files or () if path.suffix in (".py", ".so")]
    if not listed:
        return set((dist.read_text("top_level.txt") or "").split())
    packages = {parts[:-1] for parts in listed if parts[-1] == "__init__.py"}
    found = set()
    for *above, file in listed:
        depth = next((n for n in range(1, len(above) + 1) if tuple(above[:n]) in packages), 0)
        parts = above[:depth] if depth else [*above, file.partition(".")[0]]
        if all(part.isidentifier() for part in parts):
            found.add(".".join(parts))
    return found


def session(environ: Mapping[str, str]) -> Path:
    """Ray's symlink to the current session's folder: ray/ in ray._common.utils.get_user_temp_dir."""
    root = environ.get("RAY_TMPDIR") or environ.get("TMPDIR") or tempfile.gettempdir()
    return Path(root, "ray", "session_latest")


def write_description(link: Path, started: float, deadline: float) -> None:
    """Wait until the symlink no longer points to an earlier session, then write the description.

    Raises TimeoutError after the deadline.
    """
    text = json.dumps(describe(), indent=1)
    while not (link.is_symlink() and link.lstat().st_mtime >= started and (link / "logs").is_dir()):
        if time.time() > deadline:
            raise TimeoutError(f"{link} was not created within {deadline - started:.0f} s")
        time.sleep(0.1)
    part = link / "logs" / f"{DESCRIPTION}.{os.getpid()}"
    part.write_text(text)
    part.replace(link / "logs" / DESCRIPTION)


def describe_in_background(environ: Mapping[str, str], started: float) -> None:
    """Write the description of a node that starts after that time, in a process that is forked twice.

    It becomes a child of init, so it does not stay behind as a zombie of `ray start`.
    """
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork() == 0:
        try:
            write_description(session(environ), started, deadline=time.time() + 120)
        except (OSError, TimeoutError) as error:
            print(f"node.py: {DESCRIPTION} was not written: {error}", file=sys.stderr)
    os._exit(0)


def container_start(proc: Path = Path("/proc")) -> float:
    """When the container's first process started, in seconds since 1970, rounded down."""
    ticks = int((proc / "1/stat").read_text().rpartition(")")[2].split()[19])
    lines = (proc / "stat").read_text().splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return boot + ticks // os.sysconf("SC_CLK_TCK")
