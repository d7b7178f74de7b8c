"""Kubernetes quantities."""

from decimal import Decimal

import pytest

from gpu_management.cluster.quantities import mib_of, milli_of, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", "8"),
        ("500m", "0.5"),
        ("80Gi", "85899345920"),
        ("81920Mi", "85899345920"),
        ("1.5k", "1500"),
        ("2e3", "2000"),
        ("1E", "1000000000000000000"),
        ("-1", "-1"),
        (4, "4"),
        (".5", "0.5"),
    ],
)
def test_every_form_of_the_api_is_read(text: str | int, value: str):
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1gi", "1e", "0x10", "1Zi"])
def test_anything_else_is_refused(text: str):
    with pytest.raises(ValueError, match=r"quantity|suffix"):
        parse_quantity(text)


def test_cpu_is_rounded_up_and_memory_down():
    assert milli_of("1001u") == 2
    assert milli_of("1500m") == 1500
    assert mib_of("1048577") == 1
    assert mib_of("79.9Gi") == 81817
