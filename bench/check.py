"""The check of storage permissions on a lab where all is granted: the whole of it, and what it adds to a command.

In the command it runs beside reading and packaging the files, so that it adds less than it takes.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import command
from bench.measure.command import ROOT
from bench.measure.commands import ran
from bench.measure.lab import BenchLab, lab
from bench.measure.paired_runs import Setting, alternated, seconds
from bench.measure.statistics import Aim, Comparison, Of, Sample
from cluster import key
from submit.preflight import storage
from submit.script import read_script

AIM = Aim(Of.OURS, 0.15)
SCRIPT = ROOT / "jobs" / "whoami.py"
DECLARED = "reads = ["


def measure(setting: Setting) -> list[Comparison]:
    with lab(CPU_WORKERS="1", GPU_WORKERS="0") as here, TemporaryDirectory(prefix="raydock-bench-") as folder:
        here.cluster("up")
        here.use_key()
        setting.say("  the check by itself:")
        alone = [asked(here) for _ in range(2 * setting.pairs + 1)][1:]
        setting.say(f"  median of {len(alone)}: {seconds(sorted(alone)[len(alone) // 2])}; in a command:")
        without = Path(folder, "whoami.py")
        text = SCRIPT.read_text(encoding="utf-8")
        kept = (line for line in text.splitlines(True) if not line.startswith(("# reads", "# writes")))
        without.write_text("".join(kept), encoding="utf-8")
        with_check, no_check = alternated(
            setting, lambda: checked(here, SCRIPT), lambda: checked(here, without), seconds
        )
    return [
        Comparison("check of storage permissions, two URIs, all granted", "s", Sample.of(alone), aim=AIM),
        Comparison.of("`submit.py check` with it; stock: without it", "s", with_check, no_check),
    ]


def asked(here: BenchLab) -> float:
    """Seconds of one check, as the submitter makes it."""
    from iam.policy.evaluate import Verdict
    from raydock.gcp.clouds import LabCloud as Place

    found = key.read(Path(here.env["RAYDOCK_STATE"]))
    place = Place(here.address, {"Authorization": f"Bearer {found}"})
    started = time.perf_counter()
    answer = asyncio.run(storage.ask(storage.question(read_script(SCRIPT).header, (), place)))
    took = time.perf_counter() - started
    verdicts = [one.verdict.value for one in answer.findings]
    if verdicts != ["OK", "OK"]:
        raise command.Unexpected(f"The check found {verdicts}, where {Verdict.GRANTED} was expected twice.")
    return took


def checked(here: BenchLab, script: Path) -> float:
    """Seconds of `submit.py check` on that lab."""
    env = {name: here.env[name] for name in ("RAYDOCK_PORT", "RAYDOCK_STATE")}
    done = ran(["env", *(f"{name}={value}" for name, value in env.items()), *command.ours("check", script)])
    return done.ended - done.started
