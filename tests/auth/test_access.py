import pytest

from gpu_management.auth.access import (
    NO_TEAM,
    Permission,
    Role,
    check,
    check_acts_for,
    may_see,
    parse_role,
    permissions_of,
    roles_of,
    visible_team,
)
from gpu_management.core.problems import Forbidden
from tests.support.principals import principal

A, OP, U, V, F = Role.ADMIN, Role.OPERATOR, Role.USER, Role.VIEWER, Role.FINANCE
TABLE = {
    Permission.DEVICES_LIST: {A, OP},
    Permission.DEVICES_READ: {A, OP},
    Permission.DEVICES_WRITE: {A, OP},
    Permission.MIG_READ: {A, OP, U, V, F},
    Permission.MIG_WRITE: {A, OP},
    Permission.MIG_CUT: {A, OP},
    Permission.ALLOCATIONS_READ: {A, OP, U},
    Permission.ALLOCATIONS_WRITE: {A, OP, U},
    Permission.COST_READ: {A, V, F},
    Permission.OWN_COST_READ: {A, OP, U, V, F},
    Permission.RATES_WRITE: {A},
    Permission.BILLING_WRITE: {A, F},
    Permission.OVERVIEW_READ: {A, OP, U, V, F},
    Permission.GENERAL_READ: {A, OP, U, V, F},
    Permission.GENERAL_WRITE: {A, OP},
    Permission.ADMIN: {A},
}


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_exactly_what_the_table_says(permission: Permission, role: Role) -> None:
    caller = principal(role)
    if role in TABLE[permission]:
        check(caller, permission)
        assert permission in permissions_of(caller.roles)
    else:
        with pytest.raises(Forbidden):
            check(caller, permission)
        assert permission not in permissions_of(caller.roles)


@pytest.mark.parametrize("permission", Permission)
def test_without_a_role_nothing_is_allowed(permission: Permission) -> None:
    with pytest.raises(Forbidden):
        check(principal(), permission)


def test_a_setting_opens_the_device_list_to_users_and_viewers_but_not_details_or_writes() -> None:
    assert roles_of(Permission.DEVICES_LIST, devices_readable=True) == {A, OP, U, V}
    for closed in (Permission.DEVICES_READ, Permission.DEVICES_WRITE):
        assert roles_of(closed, devices_readable=True) == {A, OP}


def test_a_refusal_names_the_roles_that_may() -> None:
    with pytest.raises(Forbidden, match=r"needs one of ADMIN, OPERATOR; tester has VIEWER") as no:
        check(principal(V), Permission.MIG_WRITE)
    assert no.value.facts == {"requiredRoles": ["ADMIN", "OPERATOR"]}


@pytest.mark.parametrize("text", ["ROLE_ADMIN", "admin", "Role_Admin", " ADMIN "])
def test_a_role_is_read_in_any_case_and_with_the_prefix(text: str) -> None:
    assert parse_role(text) is Role.ADMIN


def test_an_unknown_role_names_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="did you mean OPERATOR"):
        parse_role("operater")


def test_staff_sees_every_team_and_a_user_only_its_own() -> None:
    assert visible_team(principal(A)) is None
    assert visible_team(principal(OP)) is None
    assert visible_team(principal(U, team="ml-team")) == "ml-team"
    assert visible_team(principal(U)) == NO_TEAM
    assert principal(OP).sees_all
    assert not principal(U, team="ml-team").sees_all


@pytest.mark.parametrize(("role", "whole"), [(A, True), (V, True), (F, True), (U, False)])
def test_costs_are_seen_whole_by_those_who_may_read_costs(role: Role, *, whole: bool) -> None:
    assert (visible_team(principal(role, team="t"), Permission.COST_READ) is None) is whole


def test_a_user_sees_rows_of_its_team_or_of_itself() -> None:
    caller = principal(U, team="ml-team", user="kim")
    assert may_see(caller, team="ml-team")
    assert may_see(caller, team="other", user="kim")
    assert not may_see(caller, team="other", user="lee")
    assert not may_see(caller, team=None)


def test_a_user_without_a_team_does_not_see_rows_without_one() -> None:
    assert not may_see(principal(U), team=None)
    assert not may_see(principal(U), team="")


def test_a_user_may_not_act_for_another_team() -> None:
    check_acts_for(principal(U, team="ml-team"), team="ml-team")
    check_acts_for(principal(OP), team="anybody")
    with pytest.raises(Forbidden, match="acts for team ml-team; asked for team other"):
        check_acts_for(principal(U, team="ml-team"), team="other")
