"""JSON from servers: lone surrogates, depth and types never reach those who read it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydock import answers

SURROGATES = {
    rb'"\ud800"': "\ufffd",
    rb'"\uDFFFx\udbff"': "\ufffdx\ufffd",
    rb'"\ud83d\ude00"': "😀",
    rb'"\ude00\ud83d"': "\ufffd\ufffd",
    rb'"\ud83d\ud83d\ude00"': "\ufffd😀",
    rb'"\\ud800"': r"\ud800",  # an escaped backslash
    rb'"\\\ud800\n"': "\\\ufffd\n",
    b'"\xed\xa0\x80"': "\ufffd" * 3,
    b'\xef\xbb\xbf"caf\xc3\xa9"': "café",
}


@pytest.mark.parametrize("body", SURROGATES)
def test_a_lone_surrogate_is_replaced_and_a_pair_stays(body: bytes) -> None:
    assert answers.parsed(body) == SURROGATES[body]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    for ascii_only in (True, False):
        assert answers.parsed(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000, b"\xff\xfe"]
)
def test_what_is_no_json_is_one_kind_of_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any: its text is nobody's
        answers.parsed(body)


ODD: list[Any] = [
    None,
    True,
    "x",
    1,
    -1,
    10**400,
    float("nan"),
    float("inf"),
    [],
    [1, {}],
    {},
    {"a": {"b": 3}},
]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_part_of_another_type_counts_as_absent(value: Any) -> None:
    assert answers.text(value) == ("x" if value == "x" else "")
    assert answers.number(value) == (1 if value == 1 and value is not True else 0)
    assert answers.moment(value) == answers.number(value)
    assert answers.mapping(value, "a") == ({"b": 3} if value == ODD[-1] else {})
    assert answers.amounts(value) == ({"a": 0} if value == ODD[-1] else {})
    assert answers.rows(value) == ([{}] if value == [1, {}] else [])
    assert answers.texts([value]) == (["x"] if value == "x" else [])
