"""Text laid out for a terminal, and confirmation on one."""

from __future__ import annotations

import io
import os

import pytest

from raydock.errors import Interrupted, UsageError
from raydock.terminal.layout import clip, columns, hanging, table, wrap
from raydock.terminal.prompt import confirmed

ACCOUNT = "service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
GRANT = "python -m iam grant gs://lab-data --role=roles/storage.objectUser --member=serviceAccount:a@b"
WORDS = "The job needs a GPU, and no node of this cluster has one, so the job would never be scheduled."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_is_not_wrapped_and_a_terminal_has_60_columns_or_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hanging("submit: ", WORDS, columns(io.StringIO())) == [f"submit: {WORDS}"]
    for width, expected in ((30, 60), (100, 100)):
        monkeypatch.setattr("shutil.get_terminal_size", lambda _, width=width: os.terminal_size((width, 24)))
        assert columns(Terminal()) == expected


def test_sentences_hang_below_their_start() -> None:
    assert hanging("submit: ", WORDS, 60) == [
        "submit: The job needs a GPU, and no node of this cluster has",
        "        one, so the job would never be scheduled.",
    ]
    assert wrap("one two three", 9, hang="    ") == ["one two", "    three"]
    assert wrap("a" * 9, 6) == ["a" * 9]
    assert wrap("a" * 9, 6, break_words=True) == ["a" * 6, "a" * 3]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("python submit.py list", ["   → python submit.py list"]),
        (GRANT, [GRANT]),
        (f"did you mean: {GRANT}", ["   → did you mean:", GRANT]),
        (f"Create it, for instance with the role that reads and writes objects only: {GRANT}",
         ["   → Create it, for instance with the role that reads and", "     writes objects only:", GRANT]),
        (f"see: https://example.com/{'a' * 60}", ["   → see:", f"https://example.com/{'a' * 60}"]),
        ("make it a port from 1 to 65535, and one that no other program has",
         ["   → make it a port from 1 to 65535, and one that no other", "     program has"]),
        ("choose another port, start the cluster again with `make cluster-up`, or wait",
         ["   → choose another port, start the cluster again with", "     `make cluster-up`, or wait"]),
    ],
)  # fmt: skip
def test_commands_are_never_broken(text: str, lines: list[str]) -> None:
    assert hanging("   → ", text, 60) == lines


def test_an_account_that_does_not_fit_moves_the_text_below_its_label() -> None:
    text = f"{ACCOUNT} lacks storage.objects.get"
    assert hanging("  DENIED   storage      ", text, 80) == [
        "  DENIED   storage",
        f"    {ACCOUNT} lacks",
        "    storage.objects.get",
    ]
    assert hanging("  DENIED   storage      ", "a.b lacks storage.objects.get", 80) == [
        "  DENIED   storage      a.b lacks storage.objects.get"
    ]


def test_tables_are_aligned_and_wrap_their_last_column() -> None:
    rows = [("NAME", "COUNT", "WHY"), ("a", "10", "a long reason that is wrapped"), ("b", "", "")]
    assert table(rows, 30) == [
        "NAME  COUNT  WHY",
        "a     10     a long reason",
        "             that is wrapped",
        "b",
    ]
    assert table([]) == []
    assert table([("a", "two\nlines")]) == ["a  two\nlines"]
    assert (clip("short", 5), clip("longer", 5)) == ("short", "long…")


@pytest.mark.parametrize(
    ("answer", "yes"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False), ("no\n", False)]
)
def test_only_yes_confirms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, yes: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert confirmed("Delete it?", "Nothing was deleted") is yes
    assert capsys.readouterr() == ("", "Delete it? [y/N] ")


def test_nothing_is_confirmed_without_a_terminal_or_with_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="Nothing was deleted: there is no terminal to ask for confirmation"):
        confirmed("Delete it?", "Nothing was deleted")

    def interrupt() -> str:
        raise KeyboardInterrupt

    terminal = Terminal()
    monkeypatch.setattr(terminal, "readline", interrupt)
    monkeypatch.setattr("sys.stdin", terminal)
    with pytest.raises(Interrupted, match=r"Interrupted\. Nothing was deleted\."):
        confirmed("Delete it?", "Nothing was deleted")
