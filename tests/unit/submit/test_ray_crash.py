"""The crash of Ray that fails a job whose script has finished, and failures that only resemble it."""

from __future__ import annotations

import pytest

from submit.follow.ray_crash import crashed_on_disconnect

PACKAGES = "/opt/venv/lib/python3.11/site-packages/ray/_private/"
# As Ray 2.47.1 wrote it, without the addresses.
CRASH = f"""\
RESULT {{"version": 1, "job": "whoami"}}
E1127 13:18:49.409959926   10856 completion_queue.cc:257]              ASSERTION FAILED: queue.num_items() == 0
*** SIGABRT received at time=1795785529 on cpu 1 ***
PC: @     0x7fbcc83c4eec  (unknown)  (unknown)
[2026-11-27 13:18:49,411 E 10856 10856] logging.cc:496: *** SIGABRT received at time=1795785529 on cpu 1 ***
Fatal Python error: Aborted

Stack (most recent call first):
  File "{PACKAGES}worker.py", line 1999 in shutdown
  File "{PACKAGES}client_mode_hook.py", line 104 in wrapper

Extension modules: msgpack._cmsgpack, ray._raylet (total: 21)
Aborted
"""
OF_THE_SCRIPT = """\
Fatal Python error: Aborted

Stack (most recent call first):
  File "/tmp/job.py", line 3 in <module>
Aborted
"""


@pytest.mark.parametrize(
    ("log", "code", "crashed"),
    [
        (CRASH, 134, True),
        (CRASH, -6, True),
        (CRASH, 1, False),
        (CRASH, None, False),
        (OF_THE_SCRIPT, 134, False),
        (CRASH.replace(f'"{PACKAGES}worker.py", line 1999 in shutdown', '"job.py", line 3 in <module>'), 134, False),
        ("", 134, False),
    ],
)  # fmt: skip
def test_only_rays_crash_at_the_end_is_recognized(log: str, code: int | None, crashed: bool) -> None:
    assert crashed_on_disconnect(log.encode(), code) is crashed
