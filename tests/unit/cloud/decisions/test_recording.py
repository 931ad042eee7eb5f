"""What the lab's storage records about real clients' calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api_core.exceptions import Forbidden

from tests.labcloud import AGENT, KEY, TRAINER, RunningCloud, lab_cloud

HEADERS = {"Authorization": f"Bearer {KEY}"}


def decisions(lab: RunningCloud, query: str = "") -> list[dict[str, Any]]:
    reply = httpx.get(f"{lab.gateway}/lab/decisions{query}", headers=HEADERS, trust_env=False).json()
    assert reply["complete"]
    return sorted(reply["decisions"], key=lambda row: (row["resource"], row["permission"]))


def test_calls_are_recorded_once_each_with_their_source(tmp_path: Path) -> None:
    with lab_cloud(tmp_path) as lab:
        bucket = lab.client(AGENT).bucket("lab-data")
        for _ in range(2):
            bucket.blob("a/b").upload_from_string("secret")
        assert bucket.blob("a/b").download_as_bytes() == b"secret"
        assert len(list(bucket.list_blobs(prefix="a/"))) == 1
        with pytest.raises(Forbidden):
            lab.client(TRAINER).bucket("lab-data").blob("a/b").download_as_bytes()
        assert bucket.test_iam_permissions(["storage.objects.update"]) == ["storage.objects.update"]
        with httpx.Client(trust_env=False) as job:
            assert job.get(f"{lab.emulator}/storage/v1/b/lab-data/o/hello.txt?alt=media").status_code == 200
        rows = [
            (
                row["principal"],
                row["permission"],
                row["resource"],
                row["prefix"],
                row["granted"],
                row["source"],
            )
            for row in decisions(lab)
        ]
        where, name = "projects/_/buckets/lab-data", "projects/_/buckets/lab-data/objects/a/b"
        assert rows == [
            (AGENT, "storage.objects.list", where, "a/", True, "gateway"),
            (AGENT, "storage.objects.create", name, None, True, "gateway"),
            (AGENT, "storage.objects.delete", name, None, True, "gateway"),
            (AGENT, "storage.objects.get", name, None, True, "gateway"),
            (TRAINER, "storage.objects.get", name, None, False, "gateway"),
            (AGENT, "storage.objects.get", f"{where}/objects/hello.txt", None, True, "127.0.0.1"),
        ]
        counts = {
            row["permission"]: (row["count"], row["bytes"]) for row in decisions(lab)[:4] if row["granted"]
        }
        assert counts["storage.objects.create"] == (2, 12)
        assert counts["storage.objects.delete"] == (1, 0)
        assert counts["storage.objects.get"] == (1, 6)
        assert decisions(lab, "?until=1") == []
        assert lab.cloud.record.journal
        text = b"".join(lab.cloud.record.journal.lines())
        assert b"ya29" not in text
        assert b"secret" not in text


def test_each_call_in_a_batch_counts(tmp_path: Path) -> None:
    with lab_cloud(tmp_path) as lab:
        client = lab.client(AGENT)
        bucket = client.bucket("lab-data")
        bucket.blob("x").upload_from_string("1")
        with client.batch():
            for _ in range(2):
                bucket.blob("x").reload()
        counts = {row["permission"]: row["count"] for row in decisions(lab)}
        assert counts["storage.objects.get"] == 2


def test_the_record_needs_the_key(tmp_path: Path) -> None:
    with lab_cloud(tmp_path) as lab:
        assert httpx.get(f"{lab.gateway}/lab/decisions", trust_env=False).status_code == 401
