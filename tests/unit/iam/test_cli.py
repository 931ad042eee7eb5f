"""`python -m iam` on the lab: show, whoami, check, and every usage error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iam.options import VERBS
from raydock.gcp.clouds import RealCloud
from tests.labcloud import AGENT, TRAINER, YOU
from tests.unit.iam.conftest import KEY, CommandResult, Lab

HEAD = """
MEMBER                                                       OVER-        SET
  role (granted on)                          READ LIST WRITE WRITE DELETE POLICY
--------------------------------------------------------------------------------
"""
CONVENIENCE = """projectEditor:{0}
  roles/storage.legacyBucketOwner (bucket)   yes  yes  yes   yes   yes    yes
  roles/storage.legacyObjectOwner (bucket)
projectOwner:{0}
  roles/storage.legacyBucketOwner (bucket)   yes  yes  yes   yes   yes    yes
  roles/storage.legacyObjectOwner (bucket)
projectViewer:{0}
  roles/storage.legacyBucketReader (bucket)  yes  yes  no    no    no     no
  roles/storage.legacyObjectReader (bucket)
"""
OWNER = """user:you@example.com  (you)
  roles/storage.legacyBucketOwner (bucket,   yes  yes  yes   yes   yes    yes
    as projectOwner:{0})
  roles/storage.legacyObjectOwner (bucket,
    as projectOwner:{0})
  roles/owner (project)
"""
CLOSED = f"""gs://closed-bucket, a bucket in project other-project
{HEAD}{AGENT}
    (jobs run as this)
  no role                                    no   no   no    no    no     no
{OWNER.format("other-project")}{CONVENIENCE.format("other-project")}"""
OPEN = f"""gs://{{0}}, a bucket in project lab-project
{HEAD}{AGENT}
    (jobs run as this)
  roles/aiplatform.customCodeServiceAgent    yes  yes  yes   yes   yes    no
    (project)
{OWNER.format("lab-project")}{CONVENIENCE.format("lab-project")}"""


@pytest.mark.parametrize("bucket", ["lab-data", "lab-models", "closed-bucket"])
def test_show_is_a_table_of_who_may_do_what(bucket: str, lab: Lab) -> None:
    told = lab.iam("show", f"gs://{bucket}")
    assert told == CommandResult(0, CLOSED if bucket == "closed-bucket" else OPEN.format(bucket), "")


def test_the_table_fits_80_columns_whoever_is_in_it(lab: Lab) -> None:
    members = [
        f"principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/{'p' * 90}/subject/x",
        "domain:example.com",
        "allAuthenticatedUsers",
        "group:team@example.com",
    ]
    condition = {
        "title": "a title that is much longer than the column of roles is wide",
        "expression": "1 < 2",
    }
    bindings = [
        {"role": "roles/storage.objectUser", "members": members, "condition": condition},
        {"role": "roles/storage.objectViewer", "members": members},
    ]
    holder = lab.world.buckets["lab-data"]
    lab.world.set_policy(holder, {"version": 3, "bindings": [*holder.policy["bindings"], *bindings]})
    told = lab.iam("show", "gs://lab-data")
    assert told.code == 0
    assert max(map(len, told.out.splitlines())) <= 80
    assert "domain:example.com\n  roles/storage.objectUser (bucket, if a" in told.out


def test_show_agrees_with_the_evaluator_on_conditions(lab: Lab) -> None:
    grant = ("--role=roles/storage.objectViewer", f"--member={TRAINER}", "--condition-prefix=open/")
    assert lab.iam("grant", "gs://closed-bucket", *grant).code == 0

    def may(uri: str) -> dict[str, str]:
        told = json.loads(lab.iam("show", uri, "--json").out)
        (row,) = (one for one in told["members"] if one["member"] == TRAINER)
        return {name: one["verdict"] for name, one in row["may"].items()}

    none = dict.fromkeys(("list", "write", "overwrite", "delete", "set policy"), "denied")
    assert may("gs://closed-bucket") == {"read": "unknown", **none}  # granted on some of the objects
    assert may("gs://closed-bucket/open/x") == {"read": "granted", **none}
    assert may("gs://closed-bucket/else/x") == {"read": "denied", **none}
    out = lab.iam("show", "gs://closed-bucket").out
    assert "  roles/storage.objectViewer (bucket, if     ?    no   no    no    no     no\n" in out
    assert f"? unknown, for example for {TRAINER}:" in " ".join(out.split())


def test_show_counts_deny_rules(lab: Lab) -> None:
    rule = {"deniedPrincipals": ["principalSet://goog/public:all"]}
    rule["deniedPermissions"] = ["storage.googleapis.com/objects.delete"]
    lab.world.deny["lab-project"] = [{"rules": [{"denyRule": rule}]}]
    out = lab.iam("show", "gs://lab-data").out
    assert "  roles/aiplatform.customCodeServiceAgent    yes  yes  yes   no    no     no\n" in out


def test_show_as_json(lab: Lab) -> None:
    told = json.loads(lab.iam("show", "gs://closed-bucket", "--json").out)
    assert (told["version"], told["resource"], told["project"]) == (1, "gs://closed-bucket", "other-project")
    first = told["members"][0]
    assert (first["member"], first["remark"], first["roles"]) == (AGENT, "jobs run as this", [])
    assert first["may"]["read"]["verdict"] == "denied"
    assert first["may"]["read"]["why"].startswith("no binding on gs://closed-bucket or project other-project")


def test_show_without_access_to_the_projects_policy(lab: Lab) -> None:
    alice = "user:alice@example.com"
    lab.world.user = alice
    holder = lab.world.buckets["lab-data"]
    mine = {"role": "roles/storage.legacyBucketOwner", "members": [alice]}
    lab.world.set_policy(holder, {"version": 1, "bindings": [*holder.policy["bindings"], mine]})
    told = lab.iam("show", "gs://lab-data")
    assert told.code == 0
    assert " ?    ?    ?     ?     ?      ?\n" in told.out
    assert "The policy of project 123456789012 could not be read, so its grants are unknown.\n" in told.out
    assert "deny policies of project 123456789012 could not be read" in told.out.replace("\n", " ")


def test_whoami_tells_the_caller_from_the_job(lab: Lab) -> None:
    text = (
        f"you      {YOU}\njobs     {AGENT}\n         (a Google service agent, not you)\n"
        "project  lab-project\n"
    )
    assert lab.iam("whoami") == CommandResult(0, text, "")
    lab.world.job = TRAINER
    assert f"jobs     {TRAINER}\n         (a service account, not you)\n" in lab.iam("whoami").out
    known = {"caller": YOU, "job": TRAINER, "project": "lab-project"}
    assert json.loads(lab.iam("whoami", "--json").out) == {"version": 1, "target": "local", **known}


def test_google_itself_is_asked_by_the_same_code(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's hosts are the lab's here, and the default credentials are a token of the lab."""
    from google.oauth2.credentials import Credentials

    credentials = Credentials(lab.cloud.token(YOU))
    found = (credentials, "lab-project")
    for module in ("raydock.gcp.clouds", "iam.session", "iam.google_clients"):
        monkeypatch.setattr(f"{module}.default_credentials", lambda: found)
    monkeypatch.setattr("raydock.gcp.clouds.default_token", lambda: credentials.token)
    monkeypatch.setattr(RealCloud, "base", lambda place, host: f"http://127.0.0.1:{lab.port}/google/{host}")
    for target in ("google", "vertex"):
        known = {"caller": YOU, "job": AGENT, "project": "lab-project"}
        told = json.loads(lab.iam("whoami", "--target", target, "--json").out)
        assert told == {"version": 1, "target": "google", **known}
    assert "jobs run as this" in lab.iam("show", "gs://lab-data", "--target", "google").out
    told = lab.iam("check", "gs://closed-bucket/x", "--target", "google").out
    fix = f"python -m iam grant gs://closed-bucket --role=roles/storage.objectViewer --member={AGENT}"
    assert f"→ {fix} --target google\n" in told
    grant = ("--role=roles/storage.objectViewer", f"--member={AGENT}", "--target", "google")
    assert lab.iam("grant", "gs://closed-bucket", *grant).code == 0
    assert lab.iam("check", "gs://closed-bucket/x", "--target", "vertex").code == 0
    missing = lab.iam("grant", "gs://no-bucket", *grant)
    assert (
        missing.err == "iam: gs://no-bucket does not exist, so nothing was changed.\n   → gcloud storage ls\n"
    )
    made = lab.iam("bucket", "add", "real-bucket", "--target", "google")
    assert "python -m iam cp FILE gs://real-bucket/ --target google\n" in made.out
    made = lab.iam("account", "add", "worker", "--target", "google")
    assert (
        "python -m cluster up --target vertex --cluster NAME --service-account=worker@lab-project."
        in made.out
    )
    moved = lab.iam("cp", "gs://lab-data/hello.txt", "gs://real-bucket/x", "--target", "google")
    assert moved == CommandResult(0, "Copied 1 file (20 B) to gs://real-bucket/x.\n", "")
    wrong = lab.iam("cat", "gs://no-bucket/x", "--target", "google")
    assert (
        wrong.err == "iam: gs://no-bucket does not exist.\n   → python -m iam bucket list --target google\n"
    )


def test_google_without_credentials(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    def none(**_: Any) -> Any:
        from google.auth.exceptions import DefaultCredentialsError

        raise DefaultCredentialsError("none")

    monkeypatch.setattr("google.auth.default", none)
    text = (
        "iam: You have no application default credentials on this machine.\n"
        "   → gcloud auth application-default login; "
        'for the lab instead: eval "$(python -m cluster env)"\n'
    )
    assert lab.iam("whoami", "--target", "google") == CommandResult(3, "", text)


# check


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (
            ("gs://lab-data/x",),
            0,
            f"OK       gs://lab-data/x: read, as {AGENT} (according to the policies)\n",
        ),
        (
            ("gs://lab-data/",),
            0,
            f"OK       gs://lab-data/: list, read, as {AGENT} (according to the policies)\n",
        ),
        (
            ("gs://lab-data/x", "--write", "--overwrite", "--delete", "--as", YOU),
            0,
            f"OK       gs://lab-data/x: create, overwrite, delete, as {YOU} (according to the policies)\n",
        ),
        (
            ("gs://lab-data/x", "--overwrite", "--as", TRAINER),
            3,
            f"DENIED   {TRAINER} lacks storage.objects.create and storage.objects.delete on gs://lab-data/x "
            "(--overwrite): no binding on gs://lab-data or project lab-project grants storage.objects.create.\n",
        ),
        (
            ("gs://no-bucket/x",),
            3,
            f"DENIED   {AGENT} lacks storage.objects.get on gs://no-bucket/x (read): the bucket "
            "gs://no-bucket does not exist.\n"
            "       → correct the bucket name\n"
            "       → or create the bucket: python -m iam bucket add no-bucket\n",
        ),
    ],
)
def test_check(words: tuple[str, ...], code: int, text: str, lab: Lab) -> None:
    told = lab.iam("check", *words)
    assert (told.code, told.err) == (code, "")
    assert told.out.startswith(text)


def test_what_cant_be_seen_is_unknown_and_no_success(lab: Lab) -> None:
    lab.world.user = "user:alice@example.com"
    told = lab.iam("check", "gs://lab-data/x")
    assert told.code == 3
    assert told.out.startswith(
        f"UNKNOWN  Could not determine whether {AGENT} has storage.objects.get on gs://lab-data/x"
    )


# Usage errors

USAGE_ERRORS: dict[str, tuple[tuple[str, ...], str]] = {
    "a verb": (
        ("shwo", "gs://a b"),
        "iam: shwo is not a python -m iam command.\n   → did you mean: python -m iam show 'gs://a b'\n",
    ),
    "no verb at all": (
        ("frobnicate",),
        "iam: frobnicate is not a python -m iam command.\n   → commands: show, whoami, check, used, grant, revoke, "
        "provision, deprovision, import, bucket, account, cp, ls, cat, rm\n",
    ),
    "a flag": (
        ("grant", "gs://lab-data", "--rloe=x"),
        "iam: python -m iam grant does not accept --rloe=x.\n"
        "   → did you mean: python -m iam grant gs://lab-data --role=x\n",
    ),
    "a flag of nothing": (
        ("whoami", "--zzz"),
        "iam: python -m iam whoami does not accept --zzz.\n   → python -m iam whoami --help\n",
    ),
    "a choice": (
        ("whoami", "--target", "locla", "--json"),
        "iam: --target 'locla' is not one of local, google, vertex.\n"
        "   → did you mean: python -m iam whoami --target local --json\n",
    ),
    "one word too many": (
        ("whoami", "extra"),
        "iam: python -m iam whoami does not accept extra.\n   → python -m iam whoami --help\n",
    ),
    "no role": (
        ("grant", "gs://lab-data", "--member=x"),
        "iam: The following arguments are required: --role.\n   → python -m iam grant --help\n",
    ),
    "a principal": (
        ("check", "gs://lab-data/x", "--as=you@example.com"),
        'iam: Invalid principal "you@example.com": the type prefix is missing.\n'
        "   → Write user:you@example.com\n",
    ),
    "a bucket's name": (
        ("show", "gs://Lab"),
        'iam: Invalid Cloud Storage URI "gs://Lab": the bucket name "Lab" may contain only lowercase letters, digits, '
        '"-", "_" and ".".\n   → Write gs://BUCKET/OBJECT, gs://BUCKET/FOLDER/ or gs://BUCKET.\n',
    ),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_a_usage_error_suggests_the_correct_command(case: str, lab: Lab) -> None:
    words, text = USAGE_ERRORS[case]
    assert lab.iam(*words) == CommandResult(2, "", text)


def test_show_of_no_bucket_and_of_one_that_may_not_be_seen(lab: Lab) -> None:
    there = (
        "iam: gs://no-bucket does not exist.\n   → buckets in the lab: closed-bucket, lab-data, lab-models\n"
    )
    assert lab.iam("show", "gs://no-bucket") == CommandResult(3, "", there)
    lab.world.user = "user:alice@example.com"
    text = (
        "iam: user:alice@example.com lacks storage.buckets.getIamPolicy on gs://lab-data, so its policy can't be "
        "shown.\n   → python -m iam check gs://lab-data  # checks only the job's identity\n"
    )
    assert lab.iam("show", "gs://lab-data") == CommandResult(3, "", text)


def test_show_of_a_policy_that_cant_be_understood(lab: Lab) -> None:
    holder = lab.world.buckets["closed-bucket"]
    lab.world.parsed("projects/_/buckets/closed-bucket", holder)
    holder.policy = {"version": 1, "bindings": [{"role": "viewer", "members": []}]}
    text = (
        "iam: Could not parse the policy of gs://closed-bucket: "
        'policy.bindings[0].role must be roles/NAME or projects/PROJECT/roles/NAME, not "viewer".\n'
    )
    assert lab.iam("show", "gs://closed-bucket") == CommandResult(3, "", text)


def test_no_lab_no_answer_and_another_key(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("another")
    text = "iam: The lab's cloud rejected this checkout's key.\n   → make cluster-down cluster-up\n"
    assert lab.iam("whoami") == CommandResult(3, "", text)
    monkeypatch.setenv("RAYDOCK_PORT", "9")
    sentence = "The lab's cloud at http://127.0.0.1:9 does not answer: the connection was refused."
    text = f"iam: {sentence}\n   → make cluster-up\n"
    assert lab.iam("whoami") == CommandResult(4, "", text)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "none"))
    text = "iam: No lab is running from this checkout: its key is missing.\n   → make cluster-up\n"
    assert lab.iam("whoami") == CommandResult(4, "", text)


def test_help_needs_nothing_and_names_every_verb() -> None:
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "iam"], capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 0
    assert all(f"  {verb} " in found.stdout for verb in VERBS)
    for heavy in ("google", "httpx", "yaml", "requests"):
        assert f"| {heavy}\n" not in found.stderr.replace(" ", "").replace("|", "| ")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from iam.cli import main

    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"python -m iam {verb}" in capsys.readouterr().out


def test_a_reader_that_stops_reading_is_no_error(lab: Lab) -> None:
    script = f"{sys.executable} -m iam show gs://lab-data | head -1"
    found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert found.stdout == "gs://lab-data, a bucket in project lab-project\n"
    assert found.stderr == ""


def test_the_key_is_never_printed(lab: Lab) -> None:
    for words in (("whoami",), ("show", "gs://lab-data", "--json"), ("provision", "--dry-run")):
        told = lab.iam(*words)
        assert KEY not in told.out + told.err
