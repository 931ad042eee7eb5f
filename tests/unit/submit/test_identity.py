"""The findings of the storage check, including those if nothing can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import httpx
import pytest

from raydock.errors import Unreachable
from raydock.gcp.clouds import LabCloud
from raydock.jobscript.header import Header
from submit.findings import Finding, Outcome
from submit.preflight import storage
from tests.labcloud import AGENT, RunningCloud, lab_cloud

PROBE = "pass --probe to test this with a small job on the cluster"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found


def found(
    question: storage.StorageQuestion, probed: Mapping[str, object] | None = None
) -> storage.StorageCheck:
    return asyncio.run(storage.ask(question, probed))


def test_denial_names_everything_and_the_command_that_fixes_it(lab: RunningCloud) -> None:
    header = Header(reads=("--read",), writes=("gs://lab-models/out",))
    answer = found(storage.question(header, ("--read", "gs://closed-bucket/x"), lab.place))
    assert answer.principal == AGENT
    assert answer.findings == (
        Finding(
            "storage",
            Outcome.DENIED,
            f"{AGENT} lacks storage.objects.get on gs://closed-bucket/x (--read gs://closed-bucket/x (reads)): "
            "no binding on gs://closed-bucket or project other-project grants storage.objects.get.",
            "in the lab: python -m iam grant gs://closed-bucket --role=roles/storage.objectViewer "
            f"--member={AGENT}\n"
            "on Google Cloud: gcloud storage buckets add-iam-policy-binding gs://closed-bucket "
            f"--member={AGENT} --role=roles/storage.objectViewer",
        ),
        Finding(
            "storage", Outcome.OK, f"gs://lab-models/out: overwrite, as {AGENT} (according to the policies)"
        ),
    )


TUNE = b"""
from ray import tune
path = parser.parse_args().storage_path
tune.Tuner(trial, run_config=tune.RunConfig(name="small", storage_path=path)).fit()
"""


def test_rays_folders_require_access_to_the_bucket_itself(lab: RunningCloud) -> None:
    """roles/storage.objectUser is not enough: Tune's create_dir is denied with it."""
    header = Header(writes=("--storage-path",))
    question = storage.question(
        header, ("--storage-path", "gs://closed-bucket/exp"), lab.place, {"x.py": TUNE}
    )
    bucket = lab.world.buckets["closed-bucket"]
    kept = bucket.policy
    user = {"role": "roles/storage.objectUser", "members": [AGENT]}
    try:
        lab.world.set_policy(bucket, {"version": 1, "bindings": [*kept["bindings"], user]})
        (one,) = found(question).findings
        without = storage.question(header, ("--storage-path", "gs://closed-bucket/exp"), lab.place)
        (ok,) = found(without).findings
        looks = {**user, "role": "roles/storage.legacyBucketReader"}
        lab.world.set_policy(bucket, {"version": 1, "bindings": [*kept["bindings"], user, looks]})
        (after,) = found(question).findings
    finally:
        lab.world.set_policy(bucket, kept)
    assert one == Finding(
        "storage",
        Outcome.DENIED,
        f"{AGENT} lacks storage.buckets.get on gs://closed-bucket/exp/ (--storage-path gs://closed-bucket/exp "
        "(writes); storage_path at x.py:4 creates a folder, for which it looks up the bucket): no binding on "
        "gs://closed-bucket or project other-project grants storage.buckets.get (roles/storage.objectUser on "
        "gs://closed-bucket does not include storage.buckets.get).",
        "in the lab: python -m iam grant gs://closed-bucket --role=roles/storage.legacyBucketReader "
        f"--member={AGENT}\n"
        "on Google Cloud: gcloud storage buckets add-iam-policy-binding gs://closed-bucket "
        f"--member={AGENT} --role=roles/storage.legacyBucketReader",
    )
    assert ok.verdict is Outcome.OK
    assert after.message == (
        f"gs://closed-bucket/exp/: list, read, create, delete, look up the bucket, as {AGENT} "
        "(according to the policies)"
    )


def test_fix_grants_all_missing_roles(lab: RunningCloud) -> None:
    header = Header(writes=("--storage-path=gs://closed-bucket/exp",))
    (one,) = found(storage.question(header, (), lab.place, {"x.py": TUNE})).findings
    assert sorted(line.split()[8] for line in one.fix.splitlines()[:2]) == [
        "--role=roles/storage.legacyBucketReader",
        "--role=roles/storage.objectUser",
    ]
    answer = {"principal": AGENT, "held": {"closed-bucket": ["storage.objects.get"]}}
    (probed,) = found(storage.question(header, (), lab.place, {"x.py": TUNE}), answer).findings
    assert "storage.buckets.get" in probed.message


def test_lab_identity_may_use_rays_writers(lab: RunningCloud) -> None:
    header = Header(
        writes=("--storage-path=gs://lab-models/exp", "gs://lab-data/out/"), reads=("gs://lab-data",)
    )
    findings = found(storage.question(header, (), lab.place, {"x.py": TUNE})).findings
    assert [one.verdict for one in findings] == [Outcome.OK] * 3


def test_job_that_declares_nothing_is_not_checked(lab: RunningCloud) -> None:
    assert found(storage.question(Header(), (), lab.place)) == storage.StorageCheck(AGENT, ())


@pytest.mark.parametrize(
    ("option", "verdict", "message"),
    [
        ('"--read", default="gs://lab-data/hello.txt"', Outcome.OK, "gs://lab-data/hello.txt: read, as"),
        ('"-r", "--read", default="gs://closed-bucket/x"', Outcome.DENIED, "gs://closed-bucket/x"),
        ('"--read", default=DATA', Outcome.UNKNOWN, "The default of --read could not be determined."),
        ('"--other"', Outcome.UNKNOWN, "The default of --read could not be determined."),
    ],
)
def test_omitted_argument_has_its_default(
    lab: RunningCloud, option: str, verdict: Outcome, message: str
) -> None:
    (one,) = found(storage.question(Header(reads=("--read",)), (), lab.place, parser_with(option))).findings
    assert one.verdict is verdict
    assert message in one.message


@pytest.mark.parametrize("option", ['"--read"', '"--read", default=None', '"--read", type=int, default=3'])
def test_omitted_argument_without_a_default_reads_nothing(lab: RunningCloud, option: str) -> None:
    asked = storage.question(Header(reads=("--read",)), (), lab.place, parser_with(option))
    assert found(asked) == storage.StorageCheck(AGENT, ())


def parser_with(option: str) -> dict[str, bytes]:
    return {"x.py": f"p = ArgumentParser()\np.add_argument({option})\nargs = p.parse_args()".encode()}


@pytest.mark.parametrize(
    ("header", "arguments", "verdict"),
    [
        (Header(reads=("gs://lab-data/none.csv",)), (), Outcome.DENIED),
        (Header(reads=("gs://lab-data/none/",)), (), Outcome.DENIED),
        (Header(reads=("--read=gs://lab-data/none-*.csv",)), (), Outcome.DENIED),
        (Header(), ("gs://lab-data/none.csv",), Outcome.UNKNOWN),
        (Header(), ("--output", "gs://lab-data/none.csv"), Outcome.OK),
        (Header(reads=("gs://lab-data/none/x",), writes=("gs://lab-data/none/",)), (), Outcome.OK),
        (Header(reads=("gs://lab-data",)), (), Outcome.OK),
    ],
)
def test_objects_that_are_read_must_exist(
    header: Header, arguments: tuple[str, ...], verdict: Outcome, lab: RunningCloud
) -> None:
    last = found(storage.question(header, arguments, lab.place)).findings[-1]
    assert last.verdict is verdict
    assert verdict is Outcome.OK or "no such object" in last.message


def test_an_unknown_identity_is_unknown() -> None:
    question = storage.question(Header(reads=("gs://b-1/x",)), (), None)
    (one,) = found(question).findings
    text = "Could not determine who the job would run as, so access to gs://b-1/x was not checked."
    assert one == Finding("storage", Outcome.UNKNOWN, text, PROBE)
    answer = {"principal": AGENT, "held": {"b-1": ["storage.objects.get"]}}
    (one,) = found(question, answer).findings
    assert one.verdict is Outcome.OK
    (one,) = found(question, {"principal": AGENT, "held": {"b-1": []}}).findings
    assert one.message == f'{AGENT} lacks storage.objects.get on gs://b-1/x (reads = "gs://b-1/x").'


def test_no_second_probe_is_suggested(lab: RunningCloud) -> None:
    question = storage.question(Header(reads=("gs://lab-data/x",)), (), lab.place)
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
        answer = {"principal": AGENT, "held": {"lab-data": ["storage.objects.get"]}}
        (after,) = found(question, answer).findings
    finally:
        lab.world.set_policy(bucket, kept)
        lab.world.set_policy(project, held)
    assert (before.verdict, after.verdict) == (Outcome.UNKNOWN, Outcome.UNKNOWN)
    assert before.fix.startswith(PROBE)
    assert after.fix.startswith("in the lab: python -m iam grant gs://lab-data ")


def test_unreachable_cloud_is_unknown_and_never_ok() -> None:
    gone = LabCloud("http://127.0.0.1:9", {})
    (one,) = found(storage.question(Header(reads=("gs://b-1/x",)), (), gone)).findings
    assert one == Finding(
        "storage",
        Outcome.UNKNOWN,
        "Permissions could not be checked: The lab's cloud at http://127.0.0.1:9 does not answer: "
        "the connection was refused.",
        "make cluster-up",
    )


def test_key_of_another_cluster(lab: RunningCloud) -> None:
    other = LabCloud(lab.gateway, {"Authorization": "Bearer other"})
    (one,) = found(storage.question(Header(reads=("gs://b-1/x",)), (), other)).findings
    assert one.message == ("Permissions could not be checked: The lab's cloud rejected this checkout's key.")
    assert one.fix == "make cluster-down cluster-up"


def test_a_lab_older_than_this_checkout_is_named(lab: RunningCloud) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient() as client:
            await lab.place.ask(client, "GET", "/lab/of-a-later-version")

    with pytest.raises(Unreachable) as raised:
        asyncio.run(ask())
    assert raised.value.message == "The running lab is older than this checkout."
    assert raised.value.fix == "make cluster-up"
