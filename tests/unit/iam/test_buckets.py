"""`python -m iam bucket` and `account` on a running lab, with the full text of every error."""

from __future__ import annotations

import json
from collections.abc import Callable

import aiohttp
import httpx
import pytest

from cloud.gateway.job_limit import RunningJob
from tests.labcloud import AGENT, YOU
from tests.unit.iam.conftest import KEY, CommandResult, Lab

DOMAIN = "lab-project.iam.gserviceaccount.com"
AGENT_EMAIL = AGENT.removeprefix("serviceAccount:")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the number of running jobs. A negative one: the dashboard does not answer."""
    running = [0]

    async def active(*_: object) -> list[RunningJob]:
        if running[0] < 0:
            raise aiohttp.ClientError
        return [RunningJob(f"job-{number}") for number in range(running[0])]

    monkeypatch.setattr("cloud.identity.job_account.active", active)
    return lambda number: running.__setitem__(0, number)


def test_a_bucket_is_added_once_and_closed_to_the_public(lab: Lab) -> None:
    made = lab.iam("bucket", "add", "gs://team-data", "--location", "eu")
    assert made.out.startswith("Created gs://team-data in project lab-project, EU.\n")
    assert (lab.world.buckets["team-data"].private, lab.world.buckets["team-data"].added) == (True, True)
    again = lab.iam("bucket", "add", "team-data")
    assert again == CommandResult(0, "Nothing to do: gs://team-data already exists, in EU.\n", "")
    assert lab.iam("check", "gs://team-data/x", "--write").code == 0, "jobs of the project may use it"
    assert lab.iam("bucket", "remove", "team-data", "--yes").out == "Removed gs://team-data.\n"


def test_a_bucket_of_another_project(lab: Lab) -> None:
    assert lab.iam("bucket", "add", "their-data", "--project", "other-project").code == 0
    assert lab.iam("check", "gs://their-data/x").code == 3
    found = json.loads(lab.iam("bucket", "list", "--project", "other-project", "--json").out)
    assert [one["name"] for one in found["buckets"]] == ["closed-bucket", "their-data"]
    assert lab.iam("bucket", "remove", "their-data", "--yes").code == 0


def test_a_bucket_is_removed_with_all_generations_only_by_force(lab: Lab) -> None:
    lab.iam("bucket", "add", "full-data")
    bucket = lab.client().bucket("full-data")
    bucket.versioning_enabled = True
    bucket.patch()
    for text in ("one", "two"):
        bucket.blob("x").upload_from_string(text)
    refused = lab.iam("bucket", "remove", "full-data", "--yes")
    text = "iam: gs://full-data contains 2 objects, so it was not removed.\n"
    assert refused == CommandResult(3, "", f"{text}   → python -m iam bucket remove full-data --force\n")
    asked = lab.iam("bucket", "remove", "full-data", "--force")
    assert asked == CommandResult(
        2, "", "iam: Nothing was changed: there is no terminal to ask for confirmation.\n   → add --yes\n"
    )
    done = lab.iam("bucket", "remove", "full-data", "--force", "--yes")
    assert done == CommandResult(0, "Removed gs://full-data and its 2 objects (6 B).\n", "")
    assert "full-data" not in lab.world.buckets


def test_an_account_is_used_by_the_next_job_and_kept(lab: Lab, jobs: Callable[[int], None]) -> None:
    address = f"worker@{DOMAIN}"
    made = lab.iam("account", "add", "worker")
    assert made.out.startswith(f"Created service account {address}. It has no roles yet.\n")
    assert lab.iam("account", "add", "worker").out == (
        f"Nothing to do: service account {address} already exists.\n"
    )
    used = lab.iam("account", "use", "worker")
    assert used.out == (
        f"Jobs now run as {address}.\nTo switch back: python -m iam account use {AGENT_EMAIL}\n"
    )
    metadata = f"http://{lab.cloud.metadata}/computeMetadata/v1/instance/service-accounts/default/email"
    assert httpx.get(metadata, headers={"Metadata-Flavor": "Google"}, timeout=60).text == address
    assert lab.world.chosen_job == f"serviceAccount:{address}"
    assert f"{address}  (jobs run as this)\n" in lab.iam("account", "list").out
    kept = lab.iam("account", "remove", "worker", "--yes")
    assert kept.err == (
        f"iam: Jobs run as {address}, so it was not removed.\n"
        "   → switch jobs to another account first: python -m iam account use NAME\n"
    )
    assert lab.iam("account", "use", AGENT_EMAIL).code == 0
    assert (
        lab.iam("account", "use", AGENT_EMAIL).out == f"Nothing to do: jobs already run as {AGENT_EMAIL}.\n"
    )
    assert lab.iam("account", "remove", address, "--yes").code == 0
    assert address not in lab.world.accounts


def test_an_account_that_provision_created(lab: Lab, jobs: Callable[[int], None]) -> None:
    assert lab.iam("provision", "--yes").code == 0
    assert lab.iam("account", "use", "ray-jobs").code == 0
    assert lab.iam("check", "gs://lab-project-ray-data/x").code == 0
    assert lab.iam("check", "gs://lab-data/x").code == 3
    assert lab.iam("account", "use", AGENT_EMAIL).code == 0
    assert lab.iam("deprovision", "--yes", "--buckets").code == 0


@pytest.mark.parametrize(
    ("number", "code", "error"),
    [
        (
            1,
            3,
            f"1 job is running. New access tokens would be for trainer@{DOMAIN}, so nothing was changed.\n"
            f"   → wait until all jobs have finished (python submit.py list), or switch now: "
            f"python -m iam account use trainer@{DOMAIN}"
            " --force\n",
        ),
        (
            -1,
            4,
            "Could not get the list of jobs from Ray's dashboard. It is therefore unknown whether jobs are running, "
            "and nothing was changed.\n   → try again, or switch anyway: "
            f"python -m iam account use trainer@{DOMAIN} --force\n",
        ),
    ],
)
def test_running_jobs_keep_their_identity(
    lab: Lab, jobs: Callable[[int], None], number: int, code: int, error: str
) -> None:
    jobs(number)
    assert lab.iam("account", "use", "trainer") == CommandResult(code, "", f"iam: {error}")
    assert lab.world.job == AGENT
    assert lab.iam("account", "use", "trainer", "--force").code == 0
    assert lab.world.job == f"serviceAccount:trainer@{DOMAIN}"


def test_the_setting_decides_if_it_is_set(
    lab: Lab, jobs: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.world, "job_is_set", True)
    told = lab.iam("account", "use", "trainer")
    assert told == CommandResult(
        3,
        "",
        f"iam: LAB_SERVICE_ACCOUNT is set: jobs run as {AGENT_EMAIL}.\n   → remove it from .env and run make "
        f"cluster-up, or: LAB_SERVICE_ACCOUNT=trainer@{DOMAIN} make cluster-up\n",
    )
    assert lab.world.job == AGENT


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("{}", 400, "invalid"),
        ("[1]", 400, "parseError"),
        ('{"account": "x", "force": 1}', 400, "invalid"),
        ('{"account": "../x"}', 404, "unknown"),
        (f'{{"account": "user@{DOMAIN}"}}', 404, "unknown"),
    ],
)
def test_the_labs_own_check_of_the_request(lab: Lab, body: str, status: int, reason: str) -> None:
    url = f"http://127.0.0.1:{lab.port}/lab/job"
    reply = httpx.post(url, content=body, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
    assert (reply.status_code, reply.json()["error"]["reason"]) == (status, reason)
    assert httpx.post(url, content=body, timeout=60).status_code == 401
    assert lab.world.job == AGENT


TRAINER = f"trainer@{DOMAIN}"
ERRORS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "an invalid bucket": (
        ("bucket", "add", "../etc"),
        2,
        'This bucket can\'t be created: the bucket name "../etc" may contain only lowercase letters, digits, "-", '
        '"_" and ".".\n   → see https://cloud.google.com/storage/docs/buckets#naming\n',
    ),
    "a name with control characters": (
        ("bucket", "add", "a\x1b[31mb"),
        2,
        'This bucket can\'t be created: the bucket name "a\\x1b[31mb" may contain only lowercase letters, digits, '
        '"-", "_" and ".".\n   → see https://cloud.google.com/storage/docs/buckets#naming\n',
    ),
    "an invalid location": (
        ("bucket", "add", "good-name", "--location", "mars;"),
        2,
        'Invalid location "mars;".\n   → use a location such as us-central1, europe-west4, US or EU\n',
    ),
    "a name that is taken": (
        ("bucket", "add", "closed-bucket"),
        3,
        "The bucket name closed-bucket is taken: bucket names are unique across all projects.\n"
        "   → choose another name, such as lab-project-closed-bucket\n",
    ),
    "no such project": (
        ("bucket", "add", "good-name", "--project", "nowhere"),
        3,
        "Project nowhere does not exist, so gs://good-name was not created.\n",
    ),
    "no such bucket": (
        ("bucket", "remove", "lab-dat", "--yes"),
        3,
        "gs://lab-dat does not exist.\n   → did you mean gs://lab-data?\n",
    ),
    "an invalid account": (
        ("account", "add", "wo"),
        2,
        'Invalid service account id "wo": it has 2 characters; 6 to 30 are allowed.\n   → use an id such as ray-jobs\n',
    ),
    "an account of another project": (
        ("account", "add", "worker@other-project.iam.gserviceaccount.com"),
        2,
        "worker@other-project.iam.gserviceaccount.com does not belong to project lab-project.\n"
        "   → pass only its id, and the project with --project\n",
    ),
    "a misspelled account": (
        ("account", "use", "trianer"),
        3,
        f"Service account trianer@{DOMAIN} does not exist.\n   → did you mean: python -m iam account use trainer\n",
    ),
    "no such account": (
        ("account", "remove", "zzzzzz", "--yes"),
        3,
        f"Service account zzzzzz@{DOMAIN} does not exist.\n   → python -m iam account list\n",
    ),
    "a person": (
        ("account", "use", "you@example.com"),
        2,
        f'Invalid service account "you@example.com".\n   → pass its id, such as trainer, or its address, such as '
        f"{TRAINER}\n",
    ),
    "use on Google Cloud": (
        ("account", "use", "trainer", "--target", "google"),
        2,
        "On Vertex AI, jobs run as the account that their cluster was created with.\n"
        "   → python -m cluster up --target vertex --cluster NAME --service-account=EMAIL\n",
    ),
    "another tool's word": (
        ("bucket", "create", "good-name"),
        2,
        "create is not a python -m iam bucket command.\n   → did you mean: python -m iam bucket add good-name\n",
    ),
    "no command": (
        ("account", "frobnicate"),
        2,
        "frobnicate is not a python -m iam account command.\n   → commands: add, list, remove, use\n",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_a_sentence_and_a_command(case: str, lab: Lab) -> None:
    words, code, text = ERRORS[case]
    before = lab.policies()
    assert lab.iam(*words) == CommandResult(code, "", f"iam: {text}")
    assert lab.policies() == before


def test_who_may_not_create_is_told_which_permission_is_missing(lab: Lab) -> None:
    lab.world.user = "user:alice@example.com"
    told = lab.iam("bucket", "add", "good-name")
    assert told.err.startswith(
        "iam: user:alice@example.com lacks storage.buckets.create on project lab-project, so gs://good-name was"
    )
    assert lab.iam("account", "add", "worker").code == 3
    lab.world.user = YOU
