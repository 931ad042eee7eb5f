"""The page that asks a browser for the cluster key."""

from __future__ import annotations

from functools import cache

from raydock.pages.document import document
from raydock.pages.html import element

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'"
)
STATUS = element("code", "python -m cluster status")


@cache
def page(wrong_key: bool) -> str:
    """The sign-in page. `wrong_key`: whether the last key was rejected."""
    alert = element("p", "That is not this cluster's key.", class_="alert", role="alert")
    return document(
        "raydock: sign in",
        element("h1", "Sign in with the cluster key"),
        element("p", "Open the link that ", STATUS, " prints, or paste the key here."),
        alert if wrong_key else "",
        form(),
        kind="sign-in",
    )


def form() -> str:
    """The form that sends the key."""
    field = element(
        "input",
        type="password",
        name="token",
        id="token",
        autocomplete="current-password",
        required=True,
        autofocus=True,
    )
    label = element("label", "Cluster key", for_="token")
    return element("form", label, field, element("button", "Sign in"), method="post", action="/login")
