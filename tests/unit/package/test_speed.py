"""An unchanged tree of 2,000 files is hashed no slower than Ray hashes it."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from submit.package import digest, tree_contents


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds: other work on the machine does not count."""
    before = time.process_time()
    call()
    return time.process_time() - before


def test_digest_is_no_slower_than_rays_own(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        from ray._private.runtime_env.packaging import get_uri_for_directory
    noise = random.Random(0)
    for index in range(2_000):
        directory = tmp_path / f"d{index % 40}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{index}.py").write_bytes(noise.randbytes(noise.randint(4, 20) * 1024))
    pairs = [
        (
            seconds(lambda: digest(tree_contents(tmp_path))),
            seconds(lambda: get_uri_for_directory(str(tmp_path))),
        )
        for _ in range(5)
    ]
    assert min(ours for ours, _ in pairs) <= min(rays for _, rays in pairs)
