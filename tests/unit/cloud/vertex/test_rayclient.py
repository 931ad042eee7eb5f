"""The Ray Client endpoints, over TLS: authorization, and calls that are forwarded unchanged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from cloud.controlplane.endpoints import ray_client
from cloud.controlplane.endpoints.hosts import HOSTS
from tests.labcloud import AGENT, TRAINER, YOU
from tests.labvertex import FakeHead, LabVertex, fake_head, lab_vertex
from tests.unit.cloud.vertex.test_dashboard import ALICE, NAME, ask
from tests.unit.cloud.vertex.test_life import SPEC

SECONDS = 60


@pytest.fixture
def head() -> Iterator[FakeHead]:
    with fake_head() as found:
        yield found


@pytest.fixture
def lab(tmp_path: Path, head: FakeHead) -> Iterator[LabVertex]:
    """A control plane with one cluster, whose head is a fake."""

    async def create(found: LabVertex) -> None:
        clusters = found.plane.clusters
        await clusters.wait_until_done(clusters.create(NAME, SPEC, "lab-project", AGENT, "v1"), 60)

    with lab_vertex(tmp_path, client_port=head.port) as found:
        found.run(create(found))
        yield found


def bearer(lab: LabVertex, who: str, lifetime: float | None = None) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {lab.token(who, lifetime)}"),)


def method(lab: LabVertex, name: str, kind: str = "unary_unary", host: str = "") -> Any:
    """A client's method with raw messages."""
    channel = lab.channel(host or lab.plane.clusters.named(NAME).host)
    return getattr(channel, kind)(f"/ray.rpc.RayletDriver/{name}")


def refused(lab: LabVertex, metadata: Any = (), host: str = "") -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        method(lab, "Echo", host=host)(b"a", metadata=metadata, timeout=SECONDS)
    return caught.value.code().name, caught.value.details()


def test_each_kind_of_call_is_forwarded(lab: LabVertex) -> None:
    who = {"metadata": bearer(lab, YOU), "timeout": SECONDS}
    assert method(lab, "Echo")(b"a", **who) == b"a"
    assert method(lab, "Echo")(b"", **who) == b""
    assert list(method(lab, "Echo", "unary_stream")(b"a", **who)) == [b"a"]
    parts = [bytes([n]) * 2**20 for n in range(20)]
    assert list(method(lab, "Echo", "stream_stream")(iter(parts), **who)) == parts


def test_the_head_gets_all_metadata_but_the_token(lab: LabVertex, head: FakeHead) -> None:
    told = (
        ("client_id", "abc"),
        ("reconnecting", "False"),
        ("x-goog-user-project", "p"),
        ("some-bin", b"\0"),
    )
    call = method(lab, "Echo")
    _, ended = call.with_call(b"a", metadata=(*bearer(lab, YOU), *told), timeout=SECONDS)
    assert dict(ended.initial_metadata())["first"] == "said"
    assert dict(ended.trailing_metadata())["last"] == "said"
    ((name, found, remaining),) = head.called
    assert name == "/ray.rpc.RayletDriver/Echo"
    assert {key: found[key] for key, _ in told} == dict(told)
    assert "authorization" not in found
    assert remaining is not None
    assert 0 < remaining <= SECONDS


def test_the_caller_gets_the_heads_status(lab: LabVertex) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        method(lab, "Fail")(b"a", metadata=bearer(lab, YOU), timeout=SECONDS)
    assert (caught.value.code().name, caught.value.details()) == ("NOT_FOUND", "No such session – gone.")
    assert dict(caught.value.trailing_metadata())["why-bin"] == b"\0\1"


def test_a_call_that_the_head_ends_midstream_has_the_heads_status(lab: LabVertex) -> None:
    unheard = method(lab, "Unheard", "stream_stream")
    for _ in range(20):
        call = unheard(iter([b"a"] * 50), metadata=bearer(lab, YOU), timeout=SECONDS)
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code().name == "UNIMPLEMENTED"


def test_cancelling_a_call_cancels_it_on_the_head(lab: LabVertex, head: FakeHead) -> None:
    call = method(lab, "Hang", "stream_stream")(iter([b"a"]), metadata=bearer(lab, YOU))
    assert next(call) == b"a"
    call.cancel()
    assert head.cancelled.wait(SECONDS)


def test_a_deadline_ends_the_call_on_the_head_too(lab: LabVertex, head: FakeHead) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        method(lab, "Hang")(b"a", metadata=bearer(lab, YOU), timeout=4)
    assert caught.value.code().name == "DEADLINE_EXCEEDED"
    assert head.cancelled.wait(SECONDS)


def test_backpressure_from_the_head(lab: LabVertex, head: FakeHead) -> None:
    sent = 0
    part = bytes(2**20)

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield part

    call = method(lab, "Stall", "stream_unary").future(parts(), metadata=bearer(lab, YOU), timeout=60)
    before = -1
    while before != sent:  # until no more is accepted
        before = sent
        time.sleep(0.5)
    assert sent < 60
    head.go_on.set()
    assert call.result() == str(100 * 2**20).encode()


def test_a_missing_or_expired_token_gets_googles_message(lab: LabVertex, head: FakeHead) -> None:
    code, said = refused(lab)
    assert (code, said[:57]) == (
        "UNAUTHENTICATED",
        "Request is missing required authentication credential. Ex",
    )
    code, said = refused(lab, bearer(lab, YOU, -1))
    assert (code, said[:47]) == ("UNAUTHENTICATED", "Request had invalid authentication credentials.")
    twice = (*bearer(lab, ALICE), *bearer(lab, YOU))
    assert refused(lab, twice)[0] == "UNAUTHENTICATED"
    assert head.called == []


@pytest.mark.parametrize("who", [ALICE, TRAINER])
def test_without_the_permission_a_request_is_denied(lab: LabVertex, head: FakeHead, who: str) -> None:
    assert refused(lab, bearer(lab, who)) == (
        "PERMISSION_DENIED",
        f"Permission 'aiplatform.persistentResources.get' denied on resource '//aiplatform.googleapis.com/{NAME}' "
        "(or it may not exist).",
    )
    assert head.called == []


def test_each_call_is_authenticated(lab: LabVertex, head: FakeHead) -> None:
    """Two calls on one connection, the second as another principal."""
    echo = method(lab, "Echo")
    assert echo(b"a", metadata=bearer(lab, YOU), timeout=SECONDS) == b"a"
    with pytest.raises(grpc.RpcError):
        echo(b"a", metadata=bearer(lab, ALICE), timeout=SECONDS)
    assert len(head.called) == 1


def test_a_host_without_a_cluster_is_not_found(lab: LabVertex, head: FakeHead) -> None:
    own = lab.plane.clusters.named(NAME).host
    other = next(host for host in HOSTS if host != own)
    said = f"No cluster in the lab uses the Ray Client endpoint {other}."
    assert refused(lab, bearer(lab, YOU), other) == ("NOT_FOUND", said)
    api = "us-central1-aiplatform.googleapis.com"
    assert refused(lab, bearer(lab, YOU), api)[0] == "UNIMPLEMENTED"
    assert head.called == []


def test_a_cluster_that_does_not_run_is_unavailable(lab: LabVertex) -> None:
    lab.plane.clusters.named(NAME).state = "PROVISIONING"
    assert refused(lab, bearer(lab, YOU)) == ("UNAVAILABLE", "The cluster is PROVISIONING.")


def test_a_head_that_does_not_answer(lab: LabVertex, head: FakeHead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_client, "CONNECT", 0.3)
    head.server.stop(0).wait(SECONDS)
    said = "The cluster's head does not respond on its Ray Client port."
    assert refused(lab, bearer(lab, YOU)) == ("UNAVAILABLE", said)


def test_the_dashboard_shares_the_host_over_http_1(lab: LabVertex) -> None:
    assert ask(lab, who=ALICE).status_code == 403
