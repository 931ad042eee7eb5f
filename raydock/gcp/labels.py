"""Google's rules for resource labels: keys and values of up to 63 characters, and up to 64 labels.

Source: https://cloud.google.com/resource-manager/docs/labels-overview#requirements and Vertex AI's own page,
https://cloud.google.com/vertex-ai/docs/general/labels. The documentation of the field PersistentResource.labels allows
64 characters; both pages and the APIs of other services allow 63.
"""

from __future__ import annotations

import re

LENGTH = 63  # characters of a key or a value
COUNT = 64  # labels per resource
CHARACTERS = re.compile(r"[\w-]*")  # letters of any script, digits, "_" and "-"


def is_key(text: str) -> bool:
    """Whether a string is a valid key: a value that starts with a letter."""
    return is_value(text) and text[:1].isalpha()


def is_value(text: str) -> bool:
    """Whether a string is a valid value, which may be empty."""
    return len(text) <= LENGTH and bool(CHARACTERS.fullmatch(text)) and text == text.lower()
