"""The price book from the command line, against a real server."""

import pytest

from tests.support.cli import gpuctl
from tests.support.server import LiveServer

OWNED = (
    "--capex", "40625", "--years", "3", "--residual", "0.3", "--power-kw", "1.275",
    "--pue", "1.3", "--kwh-price", "0.1", "--opex", "0.05",
)  # fmt: skip


def test_a_price_for_a_place_is_set_listed_and_quoted(live: LiveServer) -> None:
    made = gpuctl(live, "rates", "set", "a10g", "0.9", "--pool", "gold", "--share", "-m", "why")
    assert made.out.startswith("a10g share in pool gold costs 0.9 USD an hour from 20")
    assert "no node is in the pool gold" in made.err
    listed = gpuctl(live, "rates", "list", "--model", "a10g", "--pool", "gold", columns=160)
    (row,) = listed.lines[1:]
    assert row.split()[1:6] == ["a10g", "share", "gold", "0.9000", "inForce"]
    told = ("a10g", "--milli", "500", "--pool", "gold")
    quoted = dict(line.split(maxsplit=1) for line in gpuctl(live, "rates", "quote", *told).lines)
    assert quoted["PRICE/H"] == "0.45 USD"
    assert quoted["WHERE"] == "gold"
    assert gpuctl(live, "rates", "quote", "a10g", "-o", "json").json["costPerHour"] == 1.006


def test_a_planned_price_is_withdrawn_and_one_in_force_is_not(live: LiveServer) -> None:
    planned = gpuctl(
        live, "rates", "set", "a10g", "2", "--from", "2099-01-01T00:00:00Z", "-o", "json"
    ).json
    assert gpuctl(live, "rates", "withdraw", str(planned["id"])).out.endswith("withdrawn\n")
    assert gpuctl(live, "rates", "withdraw", str(planned["id"])).code == 1
    held = gpuctl(live, "rates", "list", "--at", "2026-01-01T00:00:00Z", "-o", "json").json
    refused = gpuctl(live, "rates", "withdraw", str(held[0]["id"]))
    assert "what has begun stays" in refused.err


def test_an_edit_of_an_old_copy_is_refused(live: LiveServer) -> None:
    first = gpuctl(
        live, "rates", "set", "l4", "0.7", "--pool", "x", "--based-on", "0", "-o", "json"
    )
    second = ("rates", "set", "l4", "0.8", "--pool", "x", "--based-on")
    refused = gpuctl(live, *second, "0")
    assert (refused.code, "changed since you read it" in refused.err) == (1, True)
    later = ("--from", "2099-01-01T00:00:00Z")
    assert gpuctl(live, *second, str(first.json["id"]), *later).code == 0


def test_a_price_of_ones_own_is_calculated_and_set(live: LiveServer) -> None:
    told = dict(line.split(maxsplit=1) for line in gpuctl(live, "rates", "calculate", *OWNED).lines)
    assert told == {
        "CAPITAL": "1.0821",
        "ENERGY": "0.1658",
        "UPKEEP": "0.2319",
        "TOTAL": "1.4797 USD an hour",
    }
    set_ = gpuctl(live, "rates", "calculate", *OWNED, "--set", "l40s", "--pool", "own")
    assert set_.out.startswith("l40s in pool own costs 1.479725 USD an hour")
    listed = gpuctl(live, "rates", "list", "--pool", "own", "-o", "json").json
    assert listed[0]["note"].startswith("calculated: capex 40625.0, lifeYears 3.0")


def test_what_has_no_price_can_be_seen(live: LiveServer) -> None:
    ran = gpuctl(live, "rates", "unpriced")
    assert (ran.code, ran.out, ran.err) == (0, "", "everything has a price\n")
    nothing = gpuctl(live, "rates", "quote", "p100-pcie-16gb")
    assert "none; `gpuctl rates set p100-pcie-16gb PRICE` sets one" in nothing.out


@pytest.mark.parametrize(
    "told",
    [
        ("calculate", "--capex", "much", "--years", "3"),
        ("calculate", "--years", "3"),
        ("quote", "l4", "--at", "soon"),
        ("list", "--at", "2030-01-01"),
        ("withdraw", "first"),
    ],
)
def test_what_is_no_number_or_time_is_wrong_usage(live: LiveServer, told: tuple[str, ...]) -> None:
    assert gpuctl(live, "rates", *told).code == 2
