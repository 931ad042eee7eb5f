"""A digest of everything in the checkout that an image is built from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster.build import dockerfile
from raydock.topology import Build


@dataclass(frozen=True)
class BuildInputs:
    """A checkout's build context. Each file is read once."""

    root: Path
    hashes: dict[str, str] = field(default_factory=dict)  # of the files read so far

    def digest(self, build: Build) -> str:
        """The SHA-256 hash of the stages that the image needs, their arguments, and the files that they read."""
        text = (self.root / build.dockerfile).read_text(encoding="utf-8")
        stages = dockerfile.needed(dockerfile.stages(text, build.args), build.target)
        found = hashlib.sha256()
        for name, stage in stages.items():
            found.update("\n".join([name, *stage.lines, ""]).encode())
        sources = {os.path.normpath(source) for stage in stages.values() for source in stage.sources}
        for path in sorted({path for source in sources for path in self.files(source)}):
            found.update(f"{path}\n{self.hashed(path)}\n".encode())
        return found.hexdigest()

    def files(self, source: str) -> Iterator[str]:
        """The files at or below a path of the context that .dockerignore does not exclude."""
        start = f"{self.root}/{source}"
        found = [start] if os.path.isfile(start) else []
        for folder, folders, names in os.walk(start):
            # Also because the matcher does not apply `**/name` to files that are further below `name`.
            folders[:] = [name for name in folders if not self.is_ignored(f"{folder}/{name}")]
            found += [f"{folder}/{name}" for name in names]
        return (self.relative(path) for path in found if not self.is_ignored(path))

    def is_ignored(self, path: str) -> bool:
        """Whether .dockerignore excludes a file or folder."""
        return bool(self.ignored.matches(self.relative(path)))

    def relative(self, path: str) -> str:
        """The path in the context, with slashes on every system."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    @cached_property
    def ignored(self) -> Any:
        """What .dockerignore excludes: the `PatternMatcher` that the docker package also uses."""
        from docker.utils.build import PatternMatcher

        lines = (self.root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        return PatternMatcher([line.strip() for line in lines if line.strip() and not line.startswith("#")])

    def hashed(self, path: str) -> str:
        """The SHA-256 hash of a file's content."""
        if path not in self.hashes:
            with open(f"{self.root}/{path}", "rb") as file:
                self.hashes[path] = hashlib.sha256(file.read()).hexdigest()
        return self.hashes[path]
