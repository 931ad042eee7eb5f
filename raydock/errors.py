"""The base of every error of ours, and the one that this package raises."""

from __future__ import annotations


class RaydockError(Exception):
    """`message` says in one sentence what failed, on what and why; `mend` is the command or the act that fixes it."""

    exit_code = 1

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message, mend)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return self.message


class SettingsError(RaydockError):
    """A setting, or the file that holds it, can't be understood. Nothing was touched."""

    exit_code = 2
