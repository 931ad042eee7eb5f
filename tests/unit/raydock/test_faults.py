"""Faults as values: what is valid, and how they read."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from raydock.faults import Fault, from_json

VALID = {
    Fault("503", 10): "10% of the calls to Cloud Storage get a 503",
    Fault("429", 2.5, "b", times=3): "2.5% of the calls to b get a 429, at most 3 times",
    Fault("slow", 100, delay=1.5): "100% of the calls to Cloud Storage are answered 1.5 s late",
    Fault(
        "cut", 1, at="request"
    ): "1% of the calls to Cloud Storage lose their connection before they take effect",
    Fault(
        "cut", 1, at="body"
    ): "1% of the calls to Cloud Storage lose their connection in the middle of a body",
    Fault(
        "cut", 1, at="response"
    ): "1% of the calls to Cloud Storage lose their connection after they took effect",
    Fault("control-plane"): "100% of the calls to the control plane get a 503",
    Fault("tokens", lifetime=30): "access tokens expire after 30 s",
    Fault("node", node="cpu-worker-1"): "cpu-worker-1 is down",
}


@pytest.mark.parametrize("fault", VALID, ids=str)
def test_a_fault_survives_json_and_reads_well(fault: Fault) -> None:
    assert from_json(json.loads(json.dumps(fault.as_json()))) == fault
    assert str(fault) == VALID[fault]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({}, "The fault's kind is missing."),
        ({"kind": "500"}, "'500' is not a fault: use 429, 503, slow, cut, control-plane, tokens, node."),
        ({"kind": 503}, "The fault's kind is not a str."),
        ({"kind": "503", "shares": 1}, "'shares' is not a field of a fault."),
        ({"kind": "503", "share": 0}, "The share 0% is not more than 0% and at most 100%."),
        ({"kind": "503", "share": 100.1}, "The share 100.1% is not more than 0% and at most 100%."),
        ({"kind": "503", "share": float("nan")}, "The fault's share is not a float."),
        ({"kind": "503", "share": 10**400}, "The fault's share is not a float."),
        ({"kind": "503", "share": True}, "The fault's share is not a float."),
        ({"kind": "503", "seed": -1}, "The seed and the number of times must be from 0 to 2147483647."),
        ({"kind": "cut"}, "Only a cut has a moment, and it is one of request, body, response."),
        ({"kind": "503", "at": "body"}, "Only a cut has a moment, and it is one of request, body, response."),
        ({"kind": "503", "at": "end"}, "Only a cut has a moment, and it is one of request, body, response."),
        ({"kind": "503", "delay": 61}, "Only slow calls have a delay."),
        ({"kind": "slow"}, "The delay must be more than 0 and at most 60 seconds."),
        ({"kind": "slow", "delay": 61}, "The delay must be more than 0 and at most 60 seconds."),
        ({"kind": "tokens"}, "The lifetime must be from 1 to 3600 seconds."),
        ({"kind": "node"}, "Only a dead node has a node's name."),
        ({"kind": "tokens", "lifetime": 9, "bucket": "b"}, "The fault tokens does not apply to a bucket."),
    ],
)
def test_what_is_refused(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        from_json(document)
    assert str(raised.value) == sentence


def test_every_field_is_in_the_document() -> None:
    assert set(Fault("503").as_json()) == {one.name for one in dataclasses.fields(Fault)}
