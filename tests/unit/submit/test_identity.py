"""The check of storage permissions as findings, and what is said where nothing can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import pytest

from iam.places import Lab
from submit import identity
from submit.findings import Finding, Verdict
from submit.header import Header
from tests.labcloud import AGENT, LabCloud, lab_cloud

PROBE = "add --probe: a small job then asks from inside the cluster"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found


def found(question: identity.Question, probed: Mapping[str, object] | None = None) -> identity.Answer:
    return asyncio.run(identity.ask(question, probed))


def test_a_denial_names_everything_and_the_command_that_mends_it(lab: LabCloud) -> None:
    header = Header(reads=("--read",), writes=("gs://lab-models/out",))
    answer = found(identity.question(header, ("--read", "gs://closed-bucket/x"), lab.place))
    assert answer.principal == AGENT
    assert answer.findings == (
        Finding(
            "storage",
            Verdict.DENIED,
            f"{AGENT} has no storage.objects.get on gs://closed-bucket/x (--read gs://closed-bucket/x (reads)): "
            "no binding of gs://closed-bucket or of project other-project grants storage.objects.get.",
            "python -m iam grant gs://closed-bucket --role=roles/storage.objectViewer "
            f"--member={AGENT}\n"
            "on Google Cloud: gcloud storage buckets add-iam-policy-binding gs://closed-bucket "
            f"--member={AGENT} --role=roles/storage.objectViewer",
        ),
        Finding("storage", Verdict.OK, f"gs://lab-models/out: overwrite, as {AGENT} (by the policies)"),
    )


def test_a_job_that_declares_nothing_is_asked_nothing(lab: LabCloud) -> None:
    assert found(identity.question(Header(), (), lab.place)) == identity.Answer(AGENT, ())


def test_an_argument_that_is_left_out_is_told(lab: LabCloud) -> None:
    (one,) = found(identity.question(Header(reads=("--read",)), (), lab.place)).findings
    assert (one.verdict, one.message) == (
        Verdict.OK,
        "reads names --read, which is not among the job's arguments, so what it is by default was not checked.",
    )


def test_an_unknown_identity_is_unknown() -> None:
    question = identity.question(Header(reads=("gs://b-1/x",)), (), None)
    (one,) = found(question).findings
    text = "It is not known who a job runs as there, so gs://b-1/x was not checked."
    assert one == Finding("storage", Verdict.UNKNOWN, text, PROBE)
    told = {"principal": AGENT, "held": {"b-1": ["storage.objects.get"]}}
    (one,) = found(question, told).findings
    assert one.verdict is Verdict.OK
    (one,) = found(question, {"principal": AGENT, "held": {"b-1": []}}).findings
    assert one.message == f'{AGENT} has no storage.objects.get on gs://b-1/x (reads = "gs://b-1/x").'


def test_what_a_probe_left_unknown_is_not_told_to_probe_again(lab: LabCloud) -> None:
    question = identity.question(Header(reads=("gs://lab-data/x",)), (), lab.place)
    bucket = lab.world.buckets["lab-data"]
    kept = bucket.policy
    tagged = {"title": "t", "expression": 'resource.matchTag("1/env", "prod")'}
    project = lab.world.projects["lab-project"]
    held = project.policy
    try:
        reader = {"role": "roles/storage.objectViewer", "members": [AGENT], "condition": tagged}
        lab.world.set_policy(bucket, {"version": 3, "bindings": [*kept["bindings"], reader]})
        rest = [one for one in held["bindings"] if AGENT not in one["members"]]
        lab.world.set_policy(project, {"version": 3, "bindings": rest})
        (before,) = found(question).findings
        told = {"principal": AGENT, "held": {"lab-data": ["storage.objects.get"]}}
        (after,) = found(question, told).findings
    finally:
        lab.world.set_policy(bucket, kept)
        lab.world.set_policy(project, held)
    assert (before.verdict, after.verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert before.mend.startswith(PROBE)
    assert after.mend.startswith("python -m iam grant gs://lab-data ")


def test_a_cloud_that_does_not_answer_is_unknown_and_never_ok() -> None:
    gone = Lab("http://127.0.0.1:9", {})
    (one,) = found(identity.question(Header(reads=("gs://b-1/x",)), (), gone)).findings
    assert one == Finding(
        "storage",
        Verdict.UNKNOWN,
        "Permissions could not be checked: The lab's cloud at http://127.0.0.1:9 does not answer: ConnectError.",
        "make cluster-up",
    )


def test_a_key_of_another_cluster(lab: LabCloud) -> None:
    other = Lab(lab.gateway, {"Authorization": "Bearer other"})
    (one,) = found(identity.question(Header(reads=("gs://b-1/x",)), (), other)).findings
    assert one.message == (
        "Permissions could not be checked: The lab's cloud does not take the key of this checkout."
    )
    assert one.mend == "make cluster-down cluster-up"
