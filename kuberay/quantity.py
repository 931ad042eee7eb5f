"""Kubernetes quantities such as "500m" and "4Gi": https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

The official client's parser is not used, because the lab's controller runs without that client.
"""

from __future__ import annotations

import re

QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)"
)
DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def quantity(value: object) -> float:
    """A quantity as a number; 0 if it is not one, or negative."""
    found = QUANTITY.fullmatch(str(value).strip())
    if not found:
        return 0.0
    number, exponent, suffix = found.groups()
    if suffix in BINARY:
        return max(0.0, float(number) * 2.0 ** BINARY[suffix])
    power = int(exponent) if exponent else DECIMAL.get(suffix, 0)
    return max(0.0, float(f"{number}e{power}"))
