"""config and auth: the project and region of later commands, and who calls."""

from __future__ import annotations

from vertex.gcloud import configuration
from vertex.gcloud.formats import FORMAT, LIST, formatted, listed
from vertex.gcloud.invocation import Command, Invocation


def set_property(call: Invocation) -> list[str]:
    """Set a property."""
    name, value = call.arguments
    configuration.put(name, value)
    return [f"Updated property [{'/'.join(configuration.name_of(name))}]."]


def unset_property(call: Invocation) -> list[str]:
    """Remove a property."""
    configuration.put(call.arguments[0], "")
    return [f"Unset property [{'/'.join(configuration.name_of(call.arguments[0]))}]."]


def get_property(call: Invocation) -> list[str]:
    """The value of a property."""
    return [configuration.get(call.arguments[0]) or "(unset)"]


def list_properties(call: Invocation) -> list[str]:
    """All properties, with the account and the project."""
    from iam.session import open_session

    known = {name: dict(section) for name, section in configuration.read().items() if section}
    core = {
        "account": open_session("google").caller.partition(":")[2],
        "project": configuration.get("project"),
    }
    known["core"] = {**core, **known.get("core", {})}
    if lines := formatted([known], call.flag("--format")):
        return lines
    return [
        line
        for name, section in known.items()
        for line in (f"[{name}]", *(f"{key} = {value}" for key, value in section.items() if value))
    ]


def list_accounts(call: Invocation) -> list[str]:
    """The lab's user, who is always logged in."""
    from iam.session import open_session

    account = open_session("google").caller.partition(":")[2]
    row = {"account": account, "status": "ACTIVE"}
    if call.has("--format", "--filter"):
        return listed([row], ["account"], call)
    return ["Credentialed Accounts", "ACTIVE  ACCOUNT", f"*       {account}"]


def print_token(call: Invocation) -> list[str]:
    """An access token of the lab's user."""
    from raydock.gcp.clouds import default_token

    return [default_token()]


COMMANDS = {
    "auth list": Command(list_accounts, flags=LIST),
    "auth print-access-token": Command(print_token),
    "config get": Command(get_property, "PROPERTY", least=1, most=1),
    "config get-value": Command(get_property, "PROPERTY", least=1, most=1),
    "config list": Command(list_properties, flags=FORMAT),
    "config set": Command(set_property, "PROPERTY VALUE", least=2, most=2),
    "config unset": Command(unset_property, "PROPERTY", least=1, most=1),
}
