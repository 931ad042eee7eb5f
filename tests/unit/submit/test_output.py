"""What can be copied is never broken by us: on a line of its own, without an indent, if the terminal is too narrow."""

from __future__ import annotations

import io

import pytest

from raydock.errors import UsageError
from raydock.terminal.layout import copyable
from submit.output import Console

LONG = "python -m iam grant gs://closed-bucket --role=roles/storage.objectViewer --member=serviceAccount:x"
URL = "https://ray-6.aiplatform-training.googleusercontent.com/#/jobs/whoami-1122-110543-55f407"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"      → {LONG}", [LONG]),
        (f"      → on Google Cloud: gcloud {'x' * 60}", ["      → on Google Cloud:", f"gcloud {'x' * 60}"]),
        (f"watch {URL}", ["watch", URL]),
        (f"submit: detached; the job keeps running. Reattach with: {LONG}",
         ["submit: detached; the job keeps running. Reattach with:", LONG]),
        ("      → make cluster-up", ["      → make cluster-up"]),
        ("x" * 100, ["x" * 100]),
    ],
)  # fmt: skip
def test_long_commands_and_links_get_their_own_line(line: str, expected: list[str]) -> None:
    assert copyable(line, 80) == expected
    assert copyable(line, 10_000) == [line]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_fix_is_copied_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    console = Console(io.BytesIO(), terminal := Terminal())
    console.fault(
        UsageError(
            "It failed.",
            f"{LONG}\nread the log again, which says more about it than this line has columns for",
        )
    )
    assert terminal.getvalue() == (
        f"submit: It failed.\n{LONG}\n"
        "      → read the log again, which says more about it than this line has columns\n"
        "        for\n"
    )


def test_progress_gives_way_to_lines_and_to_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(io.BytesIO(), terminal := Terminal())
    console.progress("PENDING")
    console.say("sent")
    console.progress("PENDING")
    console.write(b"log")
    console.progress("")
    assert terminal.getvalue() == "\r\x1b[KPENDING\r\x1b[Ksent\n\r\x1b[KPENDING\r\x1b[K"
