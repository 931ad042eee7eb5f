"""Times the storage permission check with every permission granted: on its own, and how much it adds to a command.

In a command, it runs while the files are read and packaged, so it adds less time than it takes.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import command
from bench.measure.command import ROOT
from bench.measure.commands import run_checked
from bench.measure.lab import BenchLab, lab
from bench.measure.paired_runs import Setting, alternate, seconds
from bench.measure.statistics import Aim, Comparison, Of, Sample
from cluster.state import key
from submit.preflight import storage
from submit.script import read_script

AIM = Aim(Of.OURS, 0.15)
SCRIPT = ROOT / "jobs" / "whoami.py"


def measure(setting: Setting) -> list[Comparison]:
    """Time the check on its own, then `submit.py check` with and without declared reads and writes."""
    with lab(CPU_WORKERS="1", GPU_WORKERS="0") as here, TemporaryDirectory(prefix="raydock-bench-") as folder:
        here.cluster("up")
        here.use_key()
        setting.say("  the check on its own:")
        alone = [check_seconds(here) for _ in range(2 * setting.pairs + 1)][1:]
        setting.say(
            f"  median of {len(alone)} runs: {seconds(sorted(alone)[len(alone) // 2])}; in a command:"
        )
        without = Path(folder, "whoami.py")
        text = SCRIPT.read_text(encoding="utf-8")
        kept = (line for line in text.splitlines(True) if not line.startswith(("# reads", "# writes")))
        without.write_text("".join(kept), encoding="utf-8")
        with_check, no_check = alternate(
            setting, lambda: command_seconds(here, SCRIPT), lambda: command_seconds(here, without), seconds
        )
    return [
        Comparison("storage permission check, two URIs, all granted", "s", Sample.of(alone), aim=AIM),
        Comparison.of("`submit.py check` with this check; stock: without it", "s", with_check, no_check),
    ]


def check_seconds(here: BenchLab) -> float:
    """The duration in seconds of one check, run in the same way as in submit.py."""
    from iam.policy.evaluate import Verdict
    from raydock.gcp.clouds import LabCloud

    found = key.read(Path(here.env["RAYDOCK_STATE"]))
    cloud = LabCloud(here.address, {"Authorization": f"Bearer {found}"})
    started = time.perf_counter()
    answer = asyncio.run(storage.ask(storage.question(read_script(SCRIPT).header, (), cloud)))
    took = time.perf_counter() - started
    verdicts = [one.verdict.value for one in answer.findings]
    if verdicts != ["OK", "OK"]:
        raise command.Unexpected(f"The check returned {verdicts}; expected {Verdict.GRANTED} twice.")
    return took


def command_seconds(here: BenchLab, script: Path) -> float:
    """The duration in seconds of `submit.py check` on this lab."""
    env = {name: here.env[name] for name in ("RAYDOCK_PORT", "RAYDOCK_STATE")}
    done = run_checked(
        ["env", *(f"{name}={value}" for name, value in env.items()), *command.ours("check", script)]
    )
    return done.ended - done.started
