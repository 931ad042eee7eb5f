"""`python -m cluster fault` against a lab's cloud in this process: full messages, and what the cloud then does."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import cli, runtimes
from cluster.fault import commands
from cluster.runtimes import Context
from raydock.errors import NotUp
from raydock.rayapi.nodes import Node
from tests.labcloud import KEY, YOU, RunningCloud, lab_cloud
from tests.unit.cloud.storage.wire import Wire

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture
def run(
    lab: RunningCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Run the command line in a checkout whose lab this is."""
    for name in list(os.environ):
        if name.startswith(("RAYDOCK_", "LAB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    monkeypatch.setenv("RAYDOCK_PORT", lab.gateway.rpartition(":")[2])
    monkeypatch.setattr("raydock.settings.dotenv", lambda path, environ: {})
    monkeypatch.setattr(runtimes, "current", lambda context: "docker")
    (tmp_path / "key").write_text(KEY)

    def ran(*words: str) -> tuple[int, str, str]:
        status = cli.main(["fault", *words])
        out, err = capsys.readouterr()
        return status, re.sub(r"\b[0-9a-f]{6}\b", "ID", out), err

    yield ran
    lab.cloud.faults.clear([])


def test_start_list_and_clear(lab: RunningCloud, run: Run) -> None:
    assert run("list") == (0, "No faults.\n", "")
    status, out, _ = run("503", "--share", "100%", "--bucket", "lab-data", "--for", "5m", "--times", "3")
    assert (status, out) == (
        0,
        "For 5 min, 100% of the calls to lab-data get a 503, at most 3 times.\n"
        "To end it now: python -m cluster fault clear ID\n",
    )
    wire = Wire(lab.url, "lab-data", {"Authorization": f"Bearer {lab.token(YOU)}"})
    assert [wire.listed().status for _ in range(4)] == [503, 503, 503, 200]
    assert run("list")[1] == (
        "ID      ENDS IN  HIT     FAULT\n"
        "ID  4 min    3 of 4  100% of the calls to lab-data get a 503, at most 3 times\n"
    )
    assert run("clear")[1] == "Ended: 100% of the calls to lab-data get a 503, at most 3 times.\n"
    assert run("list")[1] == "No faults.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["429", "--share", "2.5", "--seed", "7"],
            "2.5% of the calls to Cloud Storage get a 429 (--seed 7)"),
        (["slow", "--delay", "5s"], "10% of the calls to Cloud Storage are answered 5 s late (--seed N)"),
        (["cut", "--share", "100"], "100% of the calls to Cloud Storage lose their connection before they take effect"),
        (["cut", "--at", "body", "--share", "100"],
            "100% of the calls to Cloud Storage lose their connection in the middle of a body"),
        (["tokens"], "access tokens expire after 30 s"),
        (["control-plane"], "100% of the calls to the control plane get a 503"),
    ],
)  # fmt: skip
def test_every_kind(run: Run, words: list[str], sentence: str) -> None:
    status, out, _ = run(*words, "--for", "90s")
    said = re.sub(r"--seed [0-9]+", "--seed N", out) if "--seed" not in words else out
    assert (status, said) == (
        0,
        f"For 90 s, {sentence}.\nTo end it now: python -m cluster fault clear ID\n",
    )


def test_clear_one(run: Run) -> None:
    run("503")
    run("429")
    first = json.loads(run("list", "--json")[1])[0]
    assert first["kind"] == "503"
    [row] = [one for one in commands_active() if one["kind"] == "503"]
    assert run("clear", row["id"])[1].startswith("Ended: 10% of the calls to Cloud Storage get a 503")
    assert [one["kind"] for one in commands_active()] == ["429"]


def commands_active() -> list[dict[str, str]]:
    return commands.active_json(cli.read_context())


HELP = "  python -m cluster fault --help\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["50"], 2, "'50' is not a fault; use 429, 503, slow, cut, control-plane, tokens, node, list, clear.\n"
            "  did you mean: python -m cluster fault 503\n"),
        (["503", "--share", "0"], 2, "The share 0% is not more than 0% and at most 100%.\n" + HELP),
        (["503", "--share", "101%"], 2, "The share 101% is not more than 0% and at most 100%.\n" + HELP),
        (["503", "--share", "few"], 2,
            "Argument --share: 'few' is not a percentage; write it as 10% or 0.5%.\n" + HELP),
        (["503", "--share", "nan"], 2, "The share nan% is not more than 0% and at most 100%.\n" + HELP),
        (["503", "--for", "2h"], 2, "A fault lasts at most 60 min, but --for is 2 h 0 min.\n"
            "  python -m cluster fault 503 --for 60m\n"),
        (["503", "--for", "soon"], 2,
            "Argument --for: 'soon' is not a duration; write it as 90s, 30m, 1.5h, 1h30m or 1d.\n" + HELP),
        (["503", "--bucket", "none"], 3, "Bucket none does not exist in the lab.\n  python -m iam bucket list\n"),
        (["503", "x"], 2, "503 takes no name, but 'x' was given.\n" + HELP),
        (["tokens", "--bucket", "lab-data"], 2, "--bucket does not apply to tokens.\n" + HELP),
        (["list", "--for", "5m"], 2, "--for does not apply to list.\n" + HELP),
        (["slow", "--delay", "2m"], 2, "The delay must be more than 0 and at most 60 seconds.\n" + HELP),
        (["cut", "--at", "end"], 2, "--at 'end' is not one of request, body, response.\n" + HELP),
        (["503", "--shares", "1"], 2, "python -m cluster fault does not accept --shares.\n"
            "  did you mean: python -m cluster fault 503 --share 1\n"),
        (["503", "--seed", "-1"], 2, "The seed and the number of times must be from 0 to 2147483647.\n" + HELP),
        (["503", "--times", "0"], 2,
            "Argument --times: '0' is not a number from 1 to 2147483647.\n" + HELP),
        (["node"], 2, "Name the one node that dies.\n  for example: python -m cluster fault node cpu-worker-1\n"),
        (["clear", "zzz"], 3, "No fault has the ID 'zzz'.\n  python -m cluster fault list\n"),
    ],
)  # fmt: skip
def test_what_is_refused(run: Run, words: list[str], code: int, said: str) -> None:
    assert run(*words) == (code, "", f"cluster: {said}")
    assert commands_active() == []


def test_without_a_lab(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDOCK_PORT", "9")
    why = "The lab's cloud at http://127.0.0.1:9 does not answer: the connection was refused."
    said = f"cluster: {why}\n  make cluster-up\n"
    assert run("list") == (4, "", said)

    def none(context: Context) -> str:
        raise NotUp("No cluster is up.", "Start one: make cluster-up")

    monkeypatch.setattr(runtimes, "current", none)
    said = "cluster: No cluster is up.\n  Start one: make cluster-up\n"
    assert run("503") == (4, "", said)


def test_tokens_on_processes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "current", lambda context: "processes")
    assert run("tokens")[1].splitlines()[-1] == (
        "Cloud Storage is not affected: on this runtime, its clients send no tokens."
    )


def test_status_shows_them(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Node("a", "head", "vm", "head", 0, 0, False, 2**31, 2**30, "ALIVE", 1)
    monkeypatch.setattr(runtimes, "cluster_nodes", lambda cluster, context: [head])
    monkeypatch.setattr("cluster.docker.cluster.ComposeCluster.stopped_services", lambda cluster: [])
    run("503", "--share", "100%")
    assert cli.main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "ENDS IN" in shown
    assert "100% of the calls to Cloud Storage get a 503" in shown
    assert cli.main(["status", "--json"]) == 0
    [fault] = json.loads(capsys.readouterr().out)["faults"]
    assert (fault["kind"], fault["share"], fault["calls"]) == ("503", 100, 0)
