"""Google's rules for labels."""

from __future__ import annotations

import pytest

from raydock.gcp import labels


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("team", True, True),
        ("équipe_a-1", True, True),
        ("a" * 63, True, True),
        ("a" * 64, False, False),
        ("", False, True),
        ("1a", False, True),
        ("_a", False, True),
        ("Team", False, False),
        ("a b", False, False),
        ("a\n", False, False),
    ],
)
def test_keys_and_values(text: str, key: bool, value: bool) -> None:
    assert (labels.is_key(text), labels.is_value(text)) == (key, value)
