import pytest

from gpu_management.auth.errors import QuotaExceeded
from gpu_management.auth.quotas import check_team


@pytest.mark.parametrize(("limit", "held", "asked"), [(None, 9_000_000, 1000), (4000, 3000, 1000)])
def test_a_team_within_its_quota_passes(limit: int | None, held: int, asked: int) -> None:
    check_team(limit, team="ml-team", held_milli=held, asked_milli=asked)


def test_a_team_beyond_its_quota_is_told_the_numbers() -> None:
    with pytest.raises(QuotaExceeded, match=r"may hold 4 GPU and holds 3\.5; 1 more") as refused:
        check_team(4000, team="ml-team", held_milli=3500, asked_milli=1000)
    assert refused.value.facts == {"limitMilli": 4000, "heldMilli": 3500, "askedMilli": 1000}
    assert refused.value.status == 409
