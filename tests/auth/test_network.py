from ipaddress import ip_network

import pytest

from gpu_management.auth.access import Role
from gpu_management.auth.network import TrustedNetwork, client_address, granted

PROXY = (ip_network("10.0.0.0/24"),)


def test_without_trusted_proxies_a_forwarded_header_counts_for_nothing() -> None:
    assert client_address("203.0.113.9", ["10.1.1.1"], trusted_proxies=()) == "203.0.113.9"


def test_a_trusted_proxy_tells_who_the_client_is() -> None:
    assert client_address("10.0.0.5", ["203.0.113.9"], trusted_proxies=PROXY) == "203.0.113.9"


def test_what_the_client_wrote_itself_is_not_believed() -> None:
    told = ["192.168.1.1, 203.0.113.9", "10.0.0.6"]
    assert client_address("10.0.0.5", told, trusted_proxies=PROXY) == "203.0.113.9"


@pytest.mark.parametrize("told", [[], ["unknown"], ["203.0.113.9, nonsense"]])
def test_a_proxy_that_names_nobody_does_not_lend_its_own_address(told: list[str]) -> None:
    assert client_address("10.0.0.5", told, trusted_proxies=PROXY) is None


def test_a_peer_without_an_address_is_nobody() -> None:
    assert client_address("testclient", [], trusted_proxies=PROXY) is None
    assert client_address(None, [], trusted_proxies=()) is None


def test_an_ipv4_caller_on_a_dual_stack_socket_is_an_ipv4_caller() -> None:
    assert client_address("::ffff:192.0.2.7", [], trusted_proxies=()) == "192.0.2.7"


def test_a_network_grants_its_roles_to_those_inside_only() -> None:
    jobs = TrustedNetwork(ip_network("10.244.0.0/16"), frozenset({Role.OPERATOR}))
    assert granted("10.244.3.1", [jobs]) == [jobs]
    assert granted("10.245.3.1", [jobs]) == []
    assert granted("2001:db8::1", [jobs]) == []
    assert granted(None, [jobs]) == []
