"""Member strings: Google's forms are accepted, everything else is rejected with one sentence."""

from __future__ import annotations

import pytest

from iam.errors import MalformedPrincipal
from iam.policy.principal import FORMS, email, is_custom_account, is_service_agent, normal, parse

GOOD = [
    "user:ann@example.com",
    "user:ann.o'neil+x@example.co.uk",
    "serviceAccount:job@lab.iam.gserviceaccount.com",
    "serviceAccount:1234-compute@developer.gserviceaccount.com",
    "serviceAccount:lab.svc.id.goog[namespace/account]",
    "group:team@example.com",
    "domain:example.com",
    "allUsers",
    "allAuthenticatedUsers",
    "projectOwner:lab",
    "projectEditor:example.com:lab",
    "projectViewer:lab-2",
    "deleted:user:ann@example.com?uid=123",
    "deleted:serviceAccount:job@lab.iam.gserviceaccount.com?uid=123",
    "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/s",
    "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*",
]


@pytest.mark.parametrize("member", GOOD)
def test_google_s_forms_are_read_and_written_back(member: str) -> None:
    assert str(parse(member)) == member


BAD = [
    (
        "ann@example.com",
        'Invalid principal "ann@example.com": the type prefix is missing.',
        "Write user:ann@example.com",
    ),
    (
        "job@lab.iam.gserviceaccount.com",
        'Invalid principal "job@lab.iam.gserviceaccount.com": the type prefix is missing.',
        "Write serviceAccount:job@lab.iam.gserviceaccount.com",
    ),
    ("user:", 'Invalid principal "user:": expected an email address after "user:", not "".', ""),
    ("user:ann", 'Invalid principal "user:ann": expected an email address after "user:", not "ann".', ""),
    (
        "group:a b@c",
        'Invalid principal "group:a b@c": expected an email address after "group:", not "a b@c".',
        "",
    ),
    ("domain:com", 'Invalid principal "domain:com": expected a domain after "domain:", not "com".', ""),
    (
        "projectOwner:",
        'Invalid principal "projectOwner:": expected a project id after "projectOwner:", not "".',
        "",
    ),
    (
        "serviceaccount:job@lab.iam.gserviceaccount.com",
        'Invalid principal "serviceaccount:job@lab.iam.gserviceaccount.com": '
        f"expected {FORMS}. Did you mean serviceAccount?",
        "",
    ),
    ("allusers", f'Invalid principal "allusers": expected {FORMS}. Did you mean allUsers?', ""),
    ("", f'Invalid principal "": expected {FORMS}.', ""),
    ("principal://", f'Invalid principal "principal://": expected {FORMS}.', ""),
    ("deleted:", f'Invalid principal "deleted:": expected {FORMS}.', ""),
    (
        "deleted:user:ann?uid=1",
        'Invalid principal "user:ann": expected an email address after "user:", not "ann".',
        "",
    ),
]


@pytest.mark.parametrize(("member", "message", "fix"), BAD, ids=[row[0] for row in BAD])
def test_what_is_no_principal_is_refused_with_what_is_expected(member: str, message: str, fix: str) -> None:
    with pytest.raises(MalformedPrincipal) as caught:
        parse(member)
    assert (caught.value.message, caught.value.fix) == (message, fix)


def test_one_spelling_for_one_principal() -> None:
    assert normal("user:Ann@Example.com") == "user:ann@example.com"
    assert normal("principal://goog/subject/Ann@example.com") == "user:ann@example.com"
    assert normal("principalSet://goog/group/team@example.com") == "group:team@example.com"
    long = "principal://iam.googleapis.com/projects/-/serviceAccounts/job@lab.iam.gserviceaccount.com"
    assert normal(long) == "serviceAccount:job@lab.iam.gserviceaccount.com"
    assert normal("principalSet://goog/public:all") == "allUsers"


def test_email() -> None:
    assert email("serviceAccount:Job@lab.iam.gserviceaccount.com") == "job@lab.iam.gserviceaccount.com"
    assert email("domain:example.com") == email("allUsers") == ""


AGENTS = [
    "service-1234567890@gcp-sa-aiplatform-cc.iam.gserviceaccount.com",
    "service-1234567890@gcp-sa-aiplatform.iam.gserviceaccount.com",
    "service-1234567890@compute-system.iam.gserviceaccount.com",
    "service-1234567890@container-engine-robot.iam.gserviceaccount.com",
    "service-1234567890@gs-project-accounts.iam.gserviceaccount.com",
    "service-1234567890@cloud-ml.google.com.iam.gserviceaccount.com",
    "bq-1234567890@bigquery-encryption.iam.gserviceaccount.com",
    "1234567890@cloudservices.gserviceaccount.com",
    "serviceAccount:service-1234567890@gcp-sa-aiplatform-cc.iam.gserviceaccount.com",
]
CUSTOM = [
    "job@lab.iam.gserviceaccount.com",
    "service-123456@lab.iam.gserviceaccount.com",  # any user may choose such a name
    "job@lab.example.com.iam.gserviceaccount.com",
]
NEITHER = [
    "1234-compute@developer.gserviceaccount.com",
    "lab@appspot.gserviceaccount.com",
    "ann@example.com",
    "job@lab.iam.gserviceaccount.com.example.com",
]


@pytest.mark.parametrize(
    ("address", "agent", "custom"),
    [(a, True, False) for a in AGENTS]
    + [(a, False, True) for a in CUSTOM]
    + [(a, False, False) for a in NEITHER],
)
def test_whose_account_it_is(address: str, agent: bool, custom: bool) -> None:
    assert (is_service_agent(address), is_custom_account(address)) == (agent, custom)
