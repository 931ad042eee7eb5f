"""What each stage of a Dockerfile is built from."""

from __future__ import annotations

import pytest

from cluster.build import dockerfile
from raydock import topology
from raydock.settings import ROOT

TEXT = """
# a comment
ARG BASE=python:3
ARG KIND=cpu
FROM $BASE AS tools
RUN --mount=type=cache,target=/cache \\
    # a comment between two lines
    --mount=type=bind,source=lists/tools.txt,target=/tools.txt \\
    install
FROM ${BASE} AS base
COPY --chmod=755 one.py two.py /opt/
RUN --mount=type=bind,from=tools,source=/usr,target=/tools /tools/strip
FROM base AS kind-cpu
FROM base AS kind-gpu
ADD gpu /gpu
FROM kind-${KIND} AS worker
ARG KIND
LABEL kind=$KIND
FROM base
COPY --from=worker /opt /opt
"""


def sources(target: str, **args: str) -> list[str]:
    found = dockerfile.needed(dockerfile.stages(TEXT, args), target)
    return [source for stage in found.values() for source in stage.sources]


@pytest.mark.parametrize(
    ("target", "kind", "expected"),
    [
        ("tools", "cpu", ["lists/tools.txt"]),
        ("worker", "cpu", ["lists/tools.txt", "one.py", "two.py"]),
        ("worker", "gpu", ["lists/tools.txt", "one.py", "two.py", "gpu"]),
        ("5", "gpu", ["lists/tools.txt", "one.py", "two.py", "gpu"]),  # a stage without a name
    ],
)
def test_the_sources_of_a_target(target: str, kind: str, expected: list[str]) -> None:
    assert sources(target, KIND=kind) == expected


def test_instructions_without_comments_and_with_arguments() -> None:
    found = dockerfile.stages(TEXT, {"BASE": "debian"})
    assert found["tools"].lines == (
        "FROM debian",
        "RUN --mount=type=cache,target=/cache --mount=type=bind,source=lists/tools.txt,target=/tools.txt install",
    )
    assert found["worker"].lines == ("FROM kind-cpu", "ARG KIND=cpu", "LABEL kind=$KIND")


def test_every_source_of_our_images_exists() -> None:
    """A source that is misread would make an image out of date for ever, or never."""
    for service, build in topology.load(ROOT, {"COMPOSE_PROFILES": "vertex,notebook"}).builds.items():
        text = (ROOT / build.dockerfile).read_text()
        found = dockerfile.needed(dockerfile.stages(text, build.args), build.target)
        read = [source for stage in found.values() for source in stage.sources]
        assert read, service
        assert [source for source in read if not (ROOT / source).exists()] == []
