"""The lab's cloud, one per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.labcloud import RunningCloud, lab_cloud


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found
