"""A digest of everything in the checkout that an image is built from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cluster.build import dockerfile
from raydock.topology import Build


@dataclass(frozen=True)
class BuildInputs:
    """A checkout's build context, as it was when first read."""

    root: Path

    def digest(self, build: Build) -> str:
        """The SHA-256 hash of the stages that the image needs, their arguments, and the files that they read."""
        text = (self.root / build.dockerfile).read_text(encoding="utf-8")
        stages = dockerfile.needed(dockerfile.stages(text, build.args), build.target)
        found = hashlib.sha256()
        for name, stage in stages.items():
            found.update("\n".join([name, *stage.lines, ""]).encode())
        sources = {os.path.normpath(source) for stage in stages.values() for source in stage.sources}
        for path, content in self.files.items():
            if is_below(path, sources):
                found.update(f"{path}\n{content}\n".encode())
        return found.hexdigest()

    @cached_property
    def files(self) -> dict[str, str]:
        """The SHA-256 hashes of the context's files, those that .dockerignore does not exclude, sorted by path."""
        from docker.utils.build import exclude_paths

        lines = (self.root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        paths = sorted(exclude_paths(str(self.root), patterns))
        return {path: hashed(self.root / path) for path in paths if (self.root / path).is_file()}


def is_below(path: str, sources: Collection[str]) -> bool:
    """Whether a path is one of the sources, or in one of them."""
    return any(source in (".", path) or path.startswith(f"{source}/") for source in sources)


def hashed(path: Path) -> str:
    """The SHA-256 hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
