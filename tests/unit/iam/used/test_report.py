"""The report, and its forms. Object names are whatever a job chooses."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from iam.policy.principal import ANONYMOUS
from iam.used import commands
from iam.used.collect import report_on
from iam.used.decisions import Decided
from iam.used.folders import common_folder, folders_of
from iam.used.held import Beyond
from iam.used.needs import needs_of
from iam.used.table import proof, table, toml_text
from tests.unit.iam.used.runs import ME, call, ran

HOSTILE = ["a\nb", "\x1b[2J", "x/../../y", "ü ñ/é", "$(reboot)", "`id`", "'; rm -rf ~ #", '"${var.x}"', "%{ if true }",
           "a,b|c;d~e", "\u202egpj.exe", "\x7f", "\\", "-" * 1024, "*"]  # fmt: skip


def test_denied_calls_count_unless_the_job_succeeded_without_them() -> None:
    calls = (call("get", "gs://b/x"), call("create", "gs://b/y", granted=False))
    (one,) = needs_of([ran(*calls)])
    assert one.permissions == ("storage.objects.get",)
    (one,) = needs_of([ran(*calls, status="FAILED")])
    assert one.permissions == ("storage.objects.create", "storage.objects.get")


def test_the_lookups_that_googles_client_makes_on_its_own_are_not_needed() -> None:
    lookup = replace(call("buckets.get", "gs://b"), client="gcloud-python")
    calls = (call("get", "gs://b/x"), lookup)
    report = report_on((ran(*calls, looks_up=False),))
    assert report.needs[0].permissions == ("storage.objects.get",)
    assert "storage.buckets.get on gs://b is not included" in next(report.caveats())
    for needed in (ran(*calls, looks_up=True), ran(calls[0], replace(lookup, client=""), looks_up=False)):
        assert report_on((needed,)).needs[0].permissions == ("storage.buckets.get", "storage.objects.get")
    without = ran(calls[0], replace(lookup, granted=False))
    assert needs_of([ran(*calls), without])[0].permissions == ("storage.objects.get",)
    assert (
        len(
            needs_of([ran(*calls), replace(without, run=replace(without.run, status="FAILED"))])[
                0
            ].permissions
        )
        == 2
    )


def test_calls_without_credentials_need_no_role() -> None:
    public = replace(call("get", "gs://b/x", count=2), principal=ANONYMOUS)
    report = report_on((ran(call("get", "gs://c/x"), public, status="FAILED"),))
    assert [str(one.target) for one in report.needs] == ["gs://c"]
    assert report.principals == (ME,)
    assert [line for line in report.caveats() if "without credentials" in line] == [
        "x-1 made 2 calls without credentials, which need no roles: only what is public can be used that way."
    ]


def test_runs_as_different_identities_are_one_job_s() -> None:
    reads, lists = call("get", "gs://b/x"), call("list", "gs://b/")
    least = "serviceAccount:least-1@lab-project.iam.gserviceaccount.com"
    again = [replace(reads, principal=least), replace(lists, principal=least, granted=False)]
    (one,) = needs_of([ran(reads, lists), ran(*again)])
    assert (one.principal, one.permissions) == (ME, ("storage.objects.get",))
    several = ran(reads, replace(reads, principal=least))
    assert [one.principal for one in needs_of([several])] == [least, ME]


def test_another_run_replaces_what_this_one_created() -> None:
    run = ran(call("create", "gs://b/y"))
    report = report_on((run,))
    assert (report.creates, [one.role for one in report.grants.grants]) == (
        ("gs://b",),
        ["roles/storage.objectCreator"],
    )
    report = report_on((run,), again=True)
    assert (report.creates, [one.role for one in report.grants.grants]) == ((), ["roles/storage.objectUser"])


def test_prefixes_only_where_they_are_enough() -> None:
    calls = [call("get", "gs://b/a/x"), call("get", "gs://b/a/y"), call("get", "gs://c/one"), call("list", "gs://d/a/"),
             call("get", "gs://d/a/x"), call("get", "gs://e/x"), call("get", "gs://e/y")]  # fmt: skip
    report = report_on((ran(*calls),), prefixes=True)
    grants = report.grants.grants
    assert "--skip-check=storage" in " ".join(table(report))  # the check of a folder asks for lists
    assert "--skip-check" not in " ".join(table(report_on((ran(calls[2]),), prefixes=True)))
    assert [(str(one.resource), one.prefix) for one in grants] == [
        ("gs://b", "a/"),
        ("gs://c", "one"),
        ("gs://d", ""),
        ("gs://e", ""),
    ]
    assert "--condition-prefix=a/" in grants[0].iam_command


def test_folders() -> None:
    assert folders_of(["a/x", "a/y", "b/z", ""]) == {"": ("",), "a/": ("a/x", "a/y"), "b/z": ("b/z",)}
    assert list(folders_of(f"top/{n}/{m}" for n in range(20) for m in range(3))) == ["top/"]
    assert len(folders_of(f"{n}/{m}" for n in range(20) for m in range(3))) <= 5
    assert common_folder(["a/b/x", "a/b/y"]) == "a/b/"
    assert common_folder(["a/bx", "a/by"]) == "a/"
    assert common_folder(["a/b", "a/b/c"]) == "a/"
    assert common_folder(["only"]) == "only"
    assert common_folder(["x", "y"]) == common_folder([]) == ""


def test_the_table() -> None:
    calls = (
        call("list", "gs://lab-data/a/"),
        call("get", "gs://lab-data/a/1", size=2000, count=3),
        call("get", "gs://lab-data/a/2", size=500),
        call("create", "gs://lab-models/m", size=10),
        call("get", "gs://lab-models/none", granted=False),
    )
    run = ran(*calls, overlapping=("y-1",))
    report = report_on((run,))
    held = Beyond("lab-data", ("storage.objects.create",), ("roles/x on project p",), True)
    text = "\n".join(table(replace(report, beyond=(held,)))) + "\n"
    assert text == TABLE
    assert max(map(len, text.splitlines())) <= 80


TABLE = """\
x-1 ran as
  serviceAccount:trainer@lab-project.iam.gserviceaccount.com
! x-1 ran at the same time as y-1, as the same identity: calls of both are
  included. Run it alone: python submit.py --alone SCRIPT

USED
  gs://lab-data/a/  2 objects, 2.4 KiB read
    objects.get (4), objects.list (1)
  gs://lab-models/m  10 B written
    objects.create (1)

DENIED
  storage.objects.get on gs://lab-models/none (1 call)

NEEDED  the smallest set of roles
  roles/storage.objectViewer on gs://lab-data
  roles/storage.objectCreator on gs://lab-models
  Running it again replaces objects in gs://lab-models, which also needs
  storage.objects.delete: add --again.

HELD AND NOT USED
  gs://lab-data
    objects.create
    through roles/x on project p

HEADER  should declare
  # reads = ["gs://lab-data/a/"]
  # writes = ["gs://lab-models/m"]
  + writes lacks "gs://lab-models/m"
  + reads lacks "gs://lab-data/a/"
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str, tmp_path: Path) -> None:
    decided: Decided = call("get", f"gs://b/{name}")
    report = report_on((ran(decided),), prefixes=True)
    assert all(line.isprintable() for line in table(report)), list(table(report))
    assert json.loads(toml_text(name)) == name
    prefix = report.grants.grants[0].prefix
    assert prefix == name
    (gcloud,) = commands.gcloud(report)
    _, iam = commands.iam(report)
    assert gcloud.isprintable()
    assert iam.isprintable()
    for command in (gcloud, iam):
        script = f"for word in {command}; do printf '%s\\0' \"$word\"; done"
        found = subprocess.run(
            ["bash", "-c", script], capture_output=True, check=True, cwd=tmp_path, env={"LC_ALL": "C.UTF-8"}
        ).stdout.decode().split("\0")[:-1]  # fmt: skip
        assert len(found) == 8, found
    assert found[-1] == f"--condition-prefix={name}"
    condition = shlex.split(gcloud)[-1] if "$'" not in gcloud else ""
    if condition:
        text = condition.removeprefix("--condition=")
        delimiter = text[1] if text[0] == "^" else ","
        pairs = text.removeprefix(f"^{delimiter}^").split(delimiter)
        assert [pair.partition("=")[0] for pair in pairs] == ["expression", "title"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_terraform(name: str) -> None:
    report = report_on((ran(call("get", f"gs://b/{name}")),), prefixes=True)
    lines = list(commands.terraform(report))
    assert all(line.isprintable() for line in lines)
    assert not any(re.search(r"(?<!\$)\$\{|(?<!%)%\{", line) for line in lines)
    (expression,) = [line.partition("= ")[2] for line in lines if "expression" in line]
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', expression)
    inner = json.loads(
        expression.replace("$${", "${").replace("%%{", "%{")
    )  # HCL's escapes are those of JSON
    argument = inner.removeprefix("resource.name.startsWith(").removesuffix(")")
    assert json.loads(argument) == f"projects/_/buckets/b/objects/{name}"


def test_the_commands() -> None:
    report = report_on(
        (ran(call("get", "gs://b/x"), call("buckets.delete", "gs://c")),), member="user:a@example.com"
    )
    role = "--role=roles/storage.objectViewer"
    assert list(commands.iam(report)) == [
        "# In a real project, add: --target google --project ID",
        f"python -m iam grant gs://b {role} --member=user:a@example.com",
        "# no narrow role on gs://c includes storage.buckets.delete",
    ]
    assert next(commands.gcloud(report)) == (
        f"gcloud storage buckets add-iam-policy-binding gs://b --member=user:a@example.com {role}"
    )
    assert list(commands.terraform(report))[:6] == [
        'resource "google_storage_bucket_iam_member" "gs_b_objectViewer" {',
        '  bucket = "b"',
        '  role   = "roles/storage.objectViewer"',
        '  member = "user:a@example.com"',
        "}",
        "",
    ]


def test_the_proof_takes_all_runs() -> None:
    both = (ran(call("get", "gs://b/x")), ran(call("get", "gs://c/x"), submission_id="x-2"))
    assert proof(report_on(both)) == "Prove it: python submit.py --as-least x-1 --as-least x-2 SCRIPT"


def test_a_denied_lookup_is_on_the_bucket() -> None:
    report = report_on((ran(call("buckets.get", "gs://b", granted=False)),))
    assert "  storage.buckets.get on gs://b (1 call)" in list(table(report))


def test_a_job_that_used_nothing() -> None:
    report = report_on((ran(),))
    assert list(table(report)) == ["x-1 made no calls to Google Cloud, so it needs no roles."]
    assert ME not in json.dumps(report.as_json())
