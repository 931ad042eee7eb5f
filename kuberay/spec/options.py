"""Parses the command line's options for a RayCluster. Raises NotConfigured for invalid values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kuberay.errors import NotConfigured
from kuberay.manifest import ManifestOptions

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and …/labels/
NAME = re.compile(r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?")  # KubeRay allows RayClusters 50 characters
SUBDOMAIN = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
PART = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
LABEL_KEY = re.compile(rf"({SUBDOMAIN}/)?{PART}")
LABEL_VALUE = re.compile(rf"({PART})?")
IMAGE = re.compile(r"[a-z0-9][\w.:-]*(/[a-z0-9][a-z0-9._-]*)*(:[\w.-]{1,128})?(@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Given:
    """The options as typed."""

    name: str
    namespace: str = ""
    service_account: str = ""
    labels: Sequence[str] = ()
    images: Sequence[str] = ()
    autoscale: str = ""


def parse_options(given: Given, pools: Sequence[str]) -> ManifestOptions:
    """Parse and validate all of them; `pools` are those of compose.yaml."""
    if not NAME.fullmatch(given.name):
        raise NotConfigured(
            f"Invalid name {given.name!r} for a RayCluster: up to 50 lowercase letters, digits and '-', starting "
            "with a letter.",
            "choose another name",
        )
    return ManifestOptions(
        given.name,
        given.namespace,
        parse_account(given.service_account),
        dict(map(parse_label, given.labels)),
        dict(parse_image(text, pools) for text in given.images),
        parse_bounds(given.autoscale) if given.autoscale else None,
    )


def parse_account(text: str) -> str:
    """The name of a Kubernetes service account."""
    if "@" in text:
        raise NotConfigured(
            f"{text} is a Google account; pods have a Kubernetes service account, whose annotation names it.",
            f"kubectl annotate serviceaccount NAME iam.gke.io/gcp-service-account={text}\nthen: --service-account NAME",
        )
    if text and not re.fullmatch(SUBDOMAIN, text):
        raise NotConfigured(
            f"Invalid Kubernetes service account {text!r}: lowercase letters, digits, '-' and '.'.",
            "example: --service-account ray-head",
        )
    return text


def parse_label(text: str) -> tuple[str, str]:
    """Parse "team=a" into ("team", "a")."""
    key, equals, value = text.partition("=")
    if not (equals and LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value)):
        raise NotConfigured(
            f"Invalid label {text!r}: KEY and VALUE have up to 63 letters, digits, '-', '_' and '.'; KEY may have a "
            "prefix such as example.com/.",
            "example: --label kueue.x-k8s.io/queue-name=team",
        )
    return key, value


def parse_image(text: str, pools: Sequence[str]) -> tuple[str, str]:
    """Parse "gpu-worker=URI" into ("gpu-worker", URI), and a URI alone into ("", URI)."""
    pool, equals, uri = text.rpartition("=")
    if equals and pool not in pools:
        raise NotConfigured(
            f"--image {text}: there is no pool {pool!r}; the pools: {', '.join(pools)}.",
            f"example: --image {pools[0]}={uri}",
        )
    if not IMAGE.fullmatch(uri):
        raise NotConfigured(
            f"--image {text}: {uri!r} is not the name of an image.",
            "example: --image rayproject/ray:2.47.1-py311",
        )
    return pool, uri


def parse_bounds(text: str) -> tuple[int, int]:
    """Parse "1:4" into (1, 4)."""
    found = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise NotConfigured(
            f"Invalid --autoscale {text!r}: expected MIN:MAX with MIN less than MAX.",
            "example: --autoscale 1:4",
        )
    return int(found[1]), int(found[2])
