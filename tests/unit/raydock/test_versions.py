"""Ray versions on Vertex AI and the end of their support."""

from __future__ import annotations

from datetime import date

import pytest

from raydock import versions

NEWER = "Check whether Vertex AI has a newer version."


@pytest.mark.parametrize(
    ("ray", "today", "warning"),
    [
        ("2.47", date(2027, 1, 28), ""),
        (
            "2.47",
            date(2027, 1, 29),
            f"Google's support for Ray 2.47 on Vertex AI ends on 2027-07-28. {NEWER}",
        ),
        (
            "2.47",
            date(2027, 7, 29),
            f"Google's support for Ray 2.47 on Vertex AI ended on 2027-07-28. {NEWER}",
        ),
        (
            "2.9",
            date(2026, 11, 26),
            "Google's support for Ray 2.9 on Vertex AI ended on 2025-03-31. Move to Ray 2.47.",
        ),
        ("2.42", date(2030, 1, 1), ""),
        ("", date(2030, 1, 1), ""),
    ],
)
def test_end_of_support(ray: str, today: date, warning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "today", lambda: today)
    assert versions.support_warning(ray) == warning
