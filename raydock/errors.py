"""The base of every error of ours, and the one that this package raises."""

from __future__ import annotations


class RaydockError(Exception):
    """`message` says in one sentence what failed, on what and why; `fix` is the command or the act that fixes it."""

    exit_code = 1

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return self.message


class SettingsError(RaydockError):
    """A setting, or the file that holds it, can't be understood. Nothing was touched."""

    exit_code = 2
