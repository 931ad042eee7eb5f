"""Small pure functions: dependencies, results, entrypoints, targets."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from raydock.errors import UsageError
from raydock.jobscript.dependencies import missing, wanted_ray
from raydock.jobscript.header import Header
from raydock.rayapi.job import reasons
from submit.package import Contents
from submit.plan import JobPlan, new_submission_id
from submit.results import result
from submit.targets import open_target

PACKAGES = {
    "scikit-learn": "1.9.1", "ray": "2.47.1", "numpy": "2.4.6", "gcsfs": "2026.10.1", "fsspec": "2026.10.1",
    "pandas": "2.3.3", "pyarrow": "26.0.1", "tensorboardx": "2.6.5",
}  # fmt: skip


@pytest.mark.parametrize(
    ("dependency", "installed"),
    [
        ("scikit-learn", False),
        ("scikit_learn>=1.5", False),
        ("Scikit-Learn<1.9", True),
        ("numpy>=3", True),
        ("xgboost", True),
        ("ray[tune]>=2.40", False),
        ("gcsfs[crc]", True),
        ("six @ https://example.com/six.whl", True),
        ("humanize; python_version < '3.11'", False),
        ("humanize; python_version >= '3.11'", True),
        ("humanize; sys_platform == 'darwin'", False),
    ],
)
def test_missing_dependencies(dependency: str, installed: bool) -> None:
    assert missing([dependency], PACKAGES, "3.11.9") == ((dependency,) if installed else ())


@pytest.mark.parametrize(("wanted", "there"), [("xgboost>=3", "xgboost-cpu"), ("xgboost-cpu", "xgboost")])
def test_package_alias_counts_as_installed(wanted: str, there: str) -> None:
    assert missing([wanted], {there: "3.2.0"}, "3.11.9") == ()
    assert missing(["xgboost>=4"], {there: "3.2.0"}, "3.11.9") == ("xgboost>=4",)


@pytest.mark.parametrize("version", ["", "garbage", "2.0-custom-x86", "\x1b[2J"])
def test_unparsable_version_satisfies_only_unpinned_requirements(version: str) -> None:
    assert missing(["numpy"], {"numpy": version}, "3.11.9") == (("numpy",) if not version else ())
    assert missing(["numpy>=1"], {"numpy": version}, version) == ("numpy>=1",)


def test_installs_everything_but_ray_if_packages_are_unknown() -> None:
    assert missing(["scikit-learn", "ray"], {}, "") == ("scikit-learn",)


def test_extra_of_ray_is_installed_without_ray() -> None:
    assert missing(["ray[serve]==2.47.1"], {**PACKAGES, "starlette": "1.0"}, "3.11.9") == (
        "fastapi",
        "uvicorn[standard]",
        "watchfiles",
    )
    assert missing(["ray[tune,rllib]"], PACKAGES, "3.11.9") == (
        "dm_tree", "gymnasium==1.0.0", "lz4", "ormsgpack==1.7.0", "scipy",
    )  # fmt: skip
    assert missing(["ray[data,train,tune]"], {}, "") == ()
    assert missing(["ray[serve]"], {}, "")[:1] == ("fastapi",)


def test_requested_ray_version() -> None:
    assert wanted_ray(["numpy>1", "ray[tune]>=2.40"]) == ">=2.40"
    assert wanted_ray(["numpy"]) == ""


def entrypoint(name: str, *arguments: str) -> str:
    return JobPlan(name, Header(), Contents(Path(), (), ()), arguments).entrypoint


@pytest.mark.parametrize("arguments", [[], ["--a", "b c", "$(id)", "it's", "ä", ""]])
def test_entrypoint_preserves_arguments(arguments: list[str]) -> None:
    assert shlex.split(entrypoint("x.py", *arguments)) == ["python", "x.py", *arguments]


def test_script_named_like_an_option() -> None:
    assert entrypoint("-x.py") == "python ./-x.py"


def test_submission_ids_are_unique_and_safe() -> None:
    made = {new_submission_id("my jobs/grüße dir.py") for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"gr__e_dir-\d{4}-\d{6}-[0-9a-f]{6}", one) for one in made)


@pytest.mark.parametrize(
    ("address", "message", "fix"),
    [
        ("ray://h:10001", "ray://h:10001 is a Ray Client address; jobs are sent to the dashboard.",
         "--address http://h:8265"),
        ("localhost:8265", "'localhost:8265' is not a dashboard address.", "--address http://HOST:8265"),
        ("http://", "'http://' is not a dashboard address.", "--address http://HOST:8265"),
        ("http://h:port", "'http://h:port' is not a dashboard address.", "--address http://HOST:8265"),
    ],
)  # fmt: skip
def test_invalid_addresses(address: str, message: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_target("local", address)
    assert (caught.value.message, caught.value.fix) == (message, fix)


def test_ray_address_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://elsewhere:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://elsewhere:1")
    monkeypatch.setenv("RAYDOCK_PORT", "8400")
    assert open_target("local", None).connect().base_url == "http://127.0.0.1:8400"
    assert open_target("local", "http://there:2/").connect().base_url == "http://there:2"


@pytest.mark.parametrize("port", ["no", "0", "65536", "-1"])
def test_invalid_port(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDOCK_PORT", port)
    with pytest.raises(UsageError) as caught:
        open_target("local", None).connect()
    assert caught.value.message == f"RAYDOCK_PORT is {port!r}, which is not a port."


def test_write_and_parse_results(tmp_path: Path) -> None:
    result.write(tmp_path / "r.json", {"a": "ä"})
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == {"a": "ä"}
    assert result.parse(b"{") is None
    assert result.parse(b"[1]") is None


def test_full_disk_while_writing_the_result() -> None:
    with pytest.raises(result.ResultNotWritten) as caught:
        result.write(Path("/dev/full"), {"a": 1})
    assert caught.value.message == (
        "The result could not be written to /dev/full: No space left on device. It is in the job's log above."
    )


def test_unwritable_result_path_is_rejected_early(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        result.check_writable(tmp_path / "none" / "r.json")
    assert caught.value.message == (
        f"Can't write the result to {tmp_path / 'none' / 'r.json'}: No such file or directory."
    )
    result.check_writable(tmp_path / "r.json")
    assert not (tmp_path / "r.json").exists()


BROKEN = "'OSError('Tunnel connection failed: 403 Forbidden')': /simple/x/"
PIP = f"""runtime_env setup failed: Failed to set up runtime environment.
Could not create the actor because its associated runtime env failed to be created.
Traceback (most recent call last):
  File "pip.py", line 308, in create
Last 50 lines of stdout:
    WARNING: Retrying (Retry(total=1)) after connection broken by {BROKEN}
    WARNING: Retrying (Retry(total=0)) after connection broken by {BROKEN}
    ERROR: Could not find a version that satisfies the requirement x (from versions: none)
    ERROR: No matching distribution found for x
"""


def test_reasons_for_a_failed_runtime_env() -> None:
    assert reasons(PIP) == [
        "runtime_env setup failed: Failed to set up runtime environment.",
        f"pip: {BROKEN}",
        "pip: Could not find a version that satisfies the requirement x (from versions: none)",
        "pip: No matching distribution found for x",
        "The lab's egress proxy allows only public addresses. To allow other networks, set LAB_EGRESS_ALLOW in .env.",
    ]
    assert reasons("Job entrypoint command failed with exit code 1, last available logs (x):\nTraceback") == [
        "Job entrypoint command failed with exit code 1"
    ]
