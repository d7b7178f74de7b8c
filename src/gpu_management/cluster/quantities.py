"""Kubernetes quantities: `80Gi`, `500m`, `1.5k`, `2e3`.

Form: k8s.io/apimachinery `resource.Quantity` (decimal, binary and exponent suffixes).
"""

import math
import re
from decimal import Decimal
from functools import lru_cache

MIB = 2**20

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([a-zA-Z]*|[eE][+-]?\d+)")
_FACTORS = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


@lru_cache(maxsize=4096)  # a cluster writes the same few again and again
def parse_quantity(text: str | int | float) -> Decimal:
    """Return the value of a quantity.

    Raises:
        ValueError: it is none.
    """
    found = _FORM.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"{text!r} is no Kubernetes quantity")
    number, suffix = found.groups()
    if suffix in _FACTORS:
        return Decimal(number) * _FACTORS[suffix]
    if suffix[1:].lstrip("+-").isdigit() and suffix[0] in "eE":
        return Decimal(f"{number}{suffix}")
    raise ValueError(f"{text!r} has the unknown suffix {suffix!r}")


def milli_of(text: str | int | float) -> int:
    """Return a quantity in thousandths, rounded up as the scheduler does.

    Raises:
        ValueError: it is no quantity.
    """
    return math.ceil(parse_quantity(text) * 1000)


def mib_of(text: str | int | float) -> int:
    """Return a quantity of bytes in whole MiB, rounded down: what is surely there.

    Raises:
        ValueError: it is no quantity.
    """
    return int(parse_quantity(text) // MIB)
