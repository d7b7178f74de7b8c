from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.optimization.manners import Policies, Policy, Stand, Step, step

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OPEN = Stand(is_open=True)
TOLD = Stand(is_open=True, noticed_at=NOW - timedelta(hours=1))
ENDS = Stand(is_open=True, noticed_at=NOW - timedelta(hours=1), release_at=NOW)


def taken(stand: Stand, policy: Policy, *, idle: bool = True, exempt: bool = False) -> Step:
    return step(stand, policy, is_idle=idle, is_exempt=exempt, now=NOW)


@pytest.mark.parametrize(
    ("stand", "policy", "expected"),
    [
        (Stand(), Policy.OFF, Step.NOTHING),
        (Stand(), Policy.SUGGEST, Step.SUGGEST),
        (Stand(), Policy.RELEASE, Step.SUGGEST),
        (OPEN, Policy.OFF, Step.WITHDRAW),
        (OPEN, Policy.SUGGEST, Step.NOTHING),
        (OPEN, Policy.NOTIFY, Step.NOTICE),
        (OPEN, Policy.RELEASE, Step.NOTICE),
        (TOLD, Policy.SUGGEST, Step.CALM),
        (TOLD, Policy.NOTIFY, Step.NOTHING),
        (TOLD, Policy.RELEASE, Step.NOTICE),
        (ENDS, Policy.NOTIFY, Step.CALM),
        (ENDS, Policy.RELEASE, Step.RELEASE),
    ],
)
def test_what_is_done_depends_on_the_policy_and_on_what_was_done(
    stand: Stand, policy: Policy, expected: Step
) -> None:
    assert taken(stand, policy) is expected


def test_whoever_works_again_or_is_exempt_is_left_alone() -> None:
    for stand in (OPEN, TOLD, ENDS):
        assert taken(stand, Policy.RELEASE, idle=False) is Step.WITHDRAW
        assert taken(stand, Policy.RELEASE, exempt=True) is Step.WITHDRAW
    assert taken(Stand(), Policy.RELEASE, exempt=True) is Step.NOTHING


def test_nothing_is_released_before_its_grace_is_over() -> None:
    before = Stand(is_open=True, noticed_at=NOW, release_at=NOW + timedelta(seconds=1))
    assert taken(before, Policy.RELEASE) is Step.NOTHING


@given(
    st.lists(
        st.tuples(st.integers(1, 4000), st.sampled_from(Policy), st.booleans(), st.booleans()),
        max_size=40,
    )
)
def test_no_release_without_a_notice_and_the_whole_grace_in_idleness(
    looks: list[tuple[int, Policy, bool, bool]],
) -> None:
    grace, stand, now = timedelta(hours=1), Stand(), NOW
    idle_since: datetime | None = None
    for seconds, policy, is_idle, is_exempt in looks:
        now += timedelta(seconds=seconds)
        what = step(stand, policy, is_idle=is_idle, is_exempt=is_exempt, now=now)
        if not is_idle:
            idle_since = None
        elif idle_since is None:
            idle_since = now
        if what is Step.RELEASE:
            assert policy is Policy.RELEASE
            assert is_idle
            assert not is_exempt
            assert stand.noticed_at is not None
            assert idle_since is not None
            assert now - stand.noticed_at >= grace
            assert now - idle_since >= grace
            return
        stand = _after(stand, what, now, ends=policy is Policy.RELEASE, grace=grace)


def _after(stand: Stand, what: Step, now: datetime, *, ends: bool, grace: timedelta) -> Stand:
    if what is Step.SUGGEST or what is Step.CALM:
        return OPEN
    if what is Step.NOTICE:
        return Stand(is_open=True, noticed_at=now, release_at=now + grace if ends else None)
    return Stand() if what is Step.WITHDRAW else stand


def test_a_namespace_goes_before_its_team_and_what_is_not_ours_is_never_released() -> None:
    policies = Policies(Policy.OFF, {"ml": Policy.RELEASE}, {"quiet": Policy.SUGGEST})
    assert policies.of(team="ml", namespace="x", is_ours=True) is Policy.RELEASE
    assert policies.of(team="ml", namespace="quiet", is_ours=True) is Policy.SUGGEST
    assert policies.of(team=None, namespace="x", is_ours=True) is Policy.OFF
    assert policies.of(team="ml", namespace="x", is_ours=False) is Policy.NOTIFY
