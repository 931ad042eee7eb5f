"""`gcloud` and `gsutil` of the user's containers, with lines of Google's notebooks and of ray-labs (anagha-google)."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from iam import session
from tests.unit.iam.conftest import Lab, lab, running
from vertex.gcloud import cli
from vertex.gcloud.commands import PROGRAMS

__all__ = ["lab", "running"]  # fixtures
Run = Callable[[str], tuple[int, str, str]]
ACCOUNT = "trainer@lab-project.iam.gserviceaccount.com"


@pytest.fixture
def run(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """One command line; Google is the lab, as in its containers."""
    original = session.open_session
    monkeypatch.setattr(session, "open_session", lambda target, project="": original("local", project))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "lab-project")

    def runs(line: str) -> tuple[int, str, str]:
        program, *words = shlex.split(line)
        lab.capsys.readouterr()
        code = cli.main(program, words)
        said = lab.capsys.readouterr()
        return code, said.out, said.err

    return runs


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("gcloud config get-value project", "lab-project\n"),
        ("gcloud config list --format 'value(core.project)'", "lab-project\n"),
        ("gcloud config list", "[core]\naccount = you@example.com\nproject = lab-project\n"),
        ("gcloud auth list --filter=status:ACTIVE --format='value(account)'", "you@example.com\n"),
        (
            "gcloud projects list --filter=\"PROJECT_ID:'lab-project'\" --format='value(PROJECT_NUMBER)'",
            "123456789012\n",
        ),
        ("gcloud projects describe lab-project --format='value(projectNumber)'", "123456789012\n"),
        (
            "gcloud projects describe lab-project",
            "lifecycleState: ACTIVE\nname: lab-project\nprojectId: lab-project\nprojectNumber: '123456789012'\n",
        ),
        ("gcloud projects list --format=json --limit 0", "[]\n"),
        ("gcloud iam service-accounts list --format='value(email)'", f"{ACCOUNT}\n"),
        ("gcloud storage ls", "gs://lab-data/\ngs://lab-models/\n"),
        ("gsutil cat gs://lab-data/hello.txt", "hello from lab-data\n"),
    ],
)
def test_what_notebooks_ask(run: Run, line: str, out: str) -> None:
    assert run(line) == (0, out, "")


def test_the_project_of_the_configuration_is_used(run: Run, tmp_path: Path) -> None:
    assert run("gcloud config set project other-project") == (0, "Updated property [core/project].\n", "")
    assert run("gcloud config get project")[1] == "other-project\n"
    assert (
        tmp_path / "gcloud/configurations/config_default"
    ).read_text() == "[core]\nproject = other-project\n"
    assert run("gcloud config unset project")[0] == 0
    assert run("gcloud config get project")[1] == "lab-project\n"


def test_buckets_and_objects(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "iris.csv"
    file.write_text("a,b\n")
    assert run("gcloud storage buckets create gs://lab-project-x --location=us-central1")[0] == 0
    assert run("gsutil mb -l us-central1 -p lab-project gs://lab-project-y")[0] == 0
    assert run(f"gsutil -m cp {file} gs://lab-project-x/in/")[0] == 0
    assert run("gsutil cat gs://lab-project-x/in/iris.csv")[1] == "a,b\n"
    assert run("gcloud storage ls gs://lab-project-x/in")[1] == "gs://lab-project-x/in/iris.csv\n"
    assert run("gcloud storage rm --recursive gs://lab-project-x")[0] == 0
    assert run("gsutil rm -r gs://lab-project-y")[0] == 0
    assert run("gcloud storage ls")[1] == "gs://lab-data/\ngs://lab-models/\n"


def test_roles_and_accounts(run: Run, lab: Lab) -> None:
    assert run("gcloud iam service-accounts create umsa-sa --display-name='X'")[0] == 0
    member = "--member=serviceAccount:umsa-sa@lab-project.iam.gserviceaccount.com"
    assert (
        run(f"gcloud projects add-iam-policy-binding lab-project {member} --role=roles/aiplatform.user")[0]
        == 0
    )
    held = str(lab.policies()["lab-project"])
    assert "umsa-sa@" in held
    code, out, _ = run(
        f"gcloud iam service-accounts add-iam-policy-binding {ACCOUNT} {member} --role=roles/iam.serviceAccountUser"
    )
    assert (code, out.splitlines()[0]) == (0, f"Updated IAM policy for service account [{ACCOUNT}].")
    code, _, err = run(f"gcloud projects add-iam-policy-binding lab-project {member} --role=roles/none.such")
    assert code == 1
    assert "roles/none.such" in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gcloud services enable aiplatform.googleapis.com", "The lab's gcloud has no `services enable`."),
        ("gcloud compute networks create x --subnet-mode=auto", "has no `compute networks create`."),
        ("gcloud --version", "The lab's gcloud has no `--version`."),
        ("gcloud storage buckets create gs://x --impersonate-service-account y", "no flag --impersonate"),
        ("gcloud projects describe", "gcloud projects describe takes PROJECT."),
        ("gcloud projects list --format=table(x)", "The lab's gcloud has no --format=table(x)."),
        ("gcloud projects list --filter='a OR b'", "The lab's gcloud has no --filter='a OR b'."),
        ("gcloud config set nonsense/x y", "nonsense/x is not a property."),
        ("gsutil rsync a gs://b", "The lab's gsutil has no `rsync"),
    ],
)
def test_everything_else_is_rejected_by_name(run: Run, line: str, said: str) -> None:
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_says_what_it_is(run: Run, program: str) -> None:
    code, out, _ = run(f"{program} --help")
    assert code == 0
    assert out.startswith(f"This is the lab's {program}, not Google's")
    assert all(f"  {program} {name}" in out for name in PROGRAMS[program])
