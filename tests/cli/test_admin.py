"""Keys, teams, audit, prices and cost from the command line."""

from pathlib import Path

import pytest

from tests.support.cli import gpuctl
from tests.support.server import LiveServer


def _key_file(server: LiveServer, role: str) -> tuple[str, str]:
    return "--api-key-file", str(server.folder / "keys" / f"{role}-api-key")


def test_a_key_is_issued_used_rotated_and_revoked(locked: LiveServer, tmp_path: Path) -> None:
    admin = _key_file(locked, "admin")
    issued = gpuctl(locked, "keys", "create", "pipeline", "--role", "operator", *admin)
    assert issued.code == 0
    assert "shown this once" in issued.err
    mine = tmp_path / "key"
    mine.write_text(issued.out)
    devices = gpuctl(locked, "devices", "list", "--api-key-file", str(mine))
    assert devices.code == 0
    key_id = issued.err.split()[0]
    rotated = gpuctl(locked, "keys", "rotate", key_id, "--grace", "0", *admin).out.strip()
    assert gpuctl(locked, "devices", "list", "--api-key-file", str(mine)).code == 4
    assert gpuctl(locked, "devices", "list", GPU_MANAGEMENT_API_KEY=rotated).code == 0
    assert gpuctl(locked, "keys", "revoke", key_id, *admin).code == 0
    assert gpuctl(locked, "devices", "list", GPU_MANAGEMENT_API_KEY=rotated).code == 4
    listed = gpuctl(locked, "keys", "list", *admin, columns=200)
    assert key_id in listed.out
    assert rotated not in listed.out


def test_without_a_key_the_exit_code_is_4_and_the_help_is_there(locked: LiveServer) -> None:
    ran = gpuctl(locked, "devices", "list")
    assert ran.code == 4
    assert "--api-key-file" in ran.err


def test_a_role_that_may_not_is_told_which_may(locked: LiveServer) -> None:
    ran = gpuctl(locked, "keys", "list", *_key_file(locked, "viewer"))
    assert ran.code == 4
    assert "ADMIN" in ran.err


@pytest.mark.parametrize("content", ["", "two words", "ключ"])
def test_a_file_without_a_key_is_wrong_usage(
    live: LiveServer, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    assert gpuctl(live, "whoami", "--api-key-file", str(file)).code == 2
    assert gpuctl(live, "whoami", "--api-key-file", str(tmp_path / "none")).code == 2


def test_whoami_tells_roles_and_team(locked: LiveServer) -> None:
    ran = gpuctl(locked, "whoami", *_key_file(locked, "ml-team"), "-o", "json")
    assert (ran.json["roles"], ran.json["team"]) == (["USER"], "ml-team")


def test_a_team_lives_through_the_command_line(live: LiveServer) -> None:
    made = gpuctl(live, "teams", "create", "vision", "--gpus", "4", "-n", "vision")
    assert made.out == "vision added, limit 4 GPUs\n"
    assert gpuctl(live, "teams", "update", "vision", "--gpus", "6.5").code == 0
    shown = gpuctl(live, "teams", "get", "vision", "-o", "json").json
    assert (shown["gpuLimitMilli"], shown["namespaces"]) == (6500, ["vision"])
    assert gpuctl(live, "teams", "update", "vision", "--no-limit").code == 0
    assert "vision" in gpuctl(live, "teams", "list").out
    assert gpuctl(live, "teams", "delete", "vision").code == 0


def test_the_audit_log_names_who_did_what(live: LiveServer) -> None:
    ran = gpuctl(live, "audit", "list", "--action", "device.register", "--limit", "3")
    assert ran.lines[0].split()[:4] == ["WHEN", "WHO", "WHAT", "ON"]
    assert len(ran.lines) == 4


def test_a_price_is_set_and_listed(live: LiveServer) -> None:
    made = gpuctl(live, "rates", "set", "l4", "0.71", "--note", "contract")
    assert made.out.startswith("l4 costs 0.71 USD an hour from 20")
    listed = gpuctl(live, "rates", "list", "--model", "l4", columns=160)
    assert "contract" in listed.out


@pytest.mark.parametrize(
    "told", [("l4", "cheap"), ("l4", "1", "--from", "soon"), ("l4", "1", "--from", "2030-01-01")]
)
def test_a_price_that_is_none_is_wrong_usage(live: LiveServer, told: tuple[str, ...]) -> None:
    assert gpuctl(live, "rates", "set", *told).code == 2


def test_cost_shows_totals_groups_and_days(live: LiveServer) -> None:
    ran = gpuctl(live, "costs", "analysis", "--days", "3", "--by", "model")
    assert "TOTAL" in ran.out
    assert sum(line.startswith("20") for line in ran.lines) == 3
    assert gpuctl(live, "costs", "analysis", "--days", "3", "-o", "json").json["currency"] == "USD"
    assert gpuctl(live, "costs", "analysis", "--by", "moon").code == 2
