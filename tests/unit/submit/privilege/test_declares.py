"""What a job's source shows about its buckets."""

from __future__ import annotations

import ast

import pytest

from submit.privilege.declares import looks_up


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("client.get_bucket('x')", True),
        ("client.lookup_bucket(name)", True),
        ("client.bucket('x').exists()", True),
        ("bucket.reload()", True),
        ("client.bucket('x').blob('y').exists()", False),
        ("blob.reload()", False),
        ("os.path.exists('bucket')", False),
        ("client.bucket('x')", False),
        ("get_bucket", False),
    ],
)
def test_lookups_in_the_source(code: str, expected: bool) -> None:
    assert any(map(looks_up, ast.walk(ast.parse(code)))) is expected
