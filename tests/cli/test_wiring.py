from pathlib import Path

from gpu_management.cli.wiring import security_of
from gpu_management.core.settings_load import load
from tests.support.house import House


def test_a_trusted_network_may_name_the_team_its_callers_act_for(
    house: House, tmp_path: Path
) -> None:
    file = tmp_path / "networks.yml"
    file.write_text(
        "security:\n  trusted-networks:\n"
        "    - {cidr: 10.244.0.0/16, roles: [USER], team: ml-team}\n"
        "    - {cidr: 10.245.0.0/16, roles: [VIEWER]}\n"
    )
    settings = load(config=[file], environ={}, flags={}).settings
    security, _jobs = security_of(settings, house.database)
    assert [network.team for network in security.trusted_networks] == ["ml-team", None]
