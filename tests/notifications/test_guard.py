from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.notifications.guard import AddressRefused, Outbound, check_form, pin

PUBLIC = "93.184.215.14"
STRICT = Outbound()


def resolves(*addresses: str):
    return lambda _host, _port: addresses


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104 - an address that must be refused
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_a_name_that_means_somewhere_inside_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="not a public address"):
        pin("https://hooks.test/x", STRICT, look_up=resolves(address))


def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressRefused):
        pin("https://hooks.test/x", STRICT, look_up=resolves(PUBLIC, "10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.test/x",
        "ftp://hooks.test/x",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "//hooks.test/x",
        "https://user:secret@hooks.test/x",
        "https://hooks.test:0/x",
        "https://hooks.test:99999/x",
        "https://[::1/x",
        "https://hooks.test/a b",
        "https://hooks\x00.test/",
        "https://hooks.test/\r\nHost: x",
        "https://127.0.0.1/x",
        "https://[::ffff:10.0.0.1]/x",
        "",
    ],
)
def test_an_address_of_another_form_is_refused_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_form(url, STRICT)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "017700000001", "127.1"])
def test_numbers_that_mean_this_machine_are_judged_by_what_they_resolve_to(host: str) -> None:
    with pytest.raises(AddressRefused):
        pin(f"https://{host}/x", STRICT)


def test_what_was_judged_is_where_the_connection_goes() -> None:
    there = pin("https://hooks.test/a/b?c=d#e", STRICT, look_up=resolves(PUBLIC))
    assert there.url == f"https://{PUBLIC}:443/a/b?c=d"
    assert there.host_header == "hooks.test"
    assert there.server_name == "hooks.test"
    six = pin("https://hooks.test:8443", STRICT, look_up=resolves("2606:2800:21f:cb07::1"))
    assert six.url == "https://[2606:2800:21f:cb07::1]:8443/"
    assert six.host_header == "hooks.test:8443"


def test_a_network_can_be_allowed_and_so_can_http() -> None:
    inside = Outbound((ip_network("10.0.0.0/8"),), allow_http=True)
    assert pin("http://relay/x", inside, look_up=resolves("10.9.9.9")).url.startswith("http://10.9")
    with pytest.raises(AddressRefused):
        pin("http://relay/x", inside, look_up=resolves("192.168.0.1"))


@given(st.text())
def test_whatever_is_given_is_an_address_or_refused(url: str) -> None:
    with suppress(AddressRefused):
        assert check_form(url, STRICT).scheme == "https"


@given(st.ip_addresses())
def test_an_address_passes_only_when_it_is_global(address: object) -> None:
    try:
        pin("https://hooks.test/", STRICT, look_up=resolves(str(address)))
    except AddressRefused:
        return
    assert getattr(address, "is_global", False)
    assert not getattr(address, "is_private", True)
