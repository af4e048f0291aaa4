import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.transport.perimeter import HostGuard, client_address, origin_allowed, throttle_key, without_port

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:9000", "LOCALHOST:9000", "desk.my.net", "x.net:99"]
)
def test_hosts_that_are_let_in(host: str) -> None:
    assert HostGuard("127.0.0.1", ("desk.my.net", "x.net:99")).admits([host])


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["evil.example:9000"],
        ["localhost.evil.example"],
        ["localhost", "localhost"],
        ["x.net:98"],
        ["x.net"],
        ["127.0.0.1.nip.io"],
        ["::1"],
        ["localhost:port"],
        ["localhost:123456"],
        ["localhost:²"],
    ],
)
def test_hosts_that_are_not(hosts: list[str]) -> None:
    assert not HostGuard("127.0.0.1", ("desk.my.net", "x.net:99")).admits(hosts)


def test_the_address_bound_to_is_a_name_of_the_listener() -> None:
    assert HostGuard("192.168.1.5", ()).admits(["192.168.1.5:9000"])
    assert HostGuard("fd00::5", ()).admits(["[fd00::5]:9000"])
    assert not HostGuard("192.168.1.5", ()).admits(["192.168.1.6:9000"])


@given(st.text(max_size=40))
def test_no_host_raises(host: str) -> None:
    HostGuard("127.0.0.1", ()).admits([host])
    assert host.startswith(without_port(host))


def test_origins() -> None:
    allowed = ("https://desk.my.net",)
    assert origin_allowed([], allowed)
    assert origin_allowed(["https://desk.my.net"], allowed)
    for refused in (
        ["https://evil.example"],
        ["null"],
        ["https://desk.my.net.evil.example"],
        ["https://desk.my.net:444"],
        ["HTTPS://DESK.MY.NET"],
        [""],
        ["https://desk.my.net", "https://desk.my.net"],
    ):
        assert not origin_allowed(refused, allowed)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not from a proxy of ours: not believed
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the left one may be made up
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),  # two headers are one list
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, not-an-address"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", [], ""),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_no_proxy(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


@given(st.text(max_size=50), st.lists(st.text(max_size=80), max_size=4))
def test_nobody_outside_can_choose_their_address(peer: str, forwarded: list[str]) -> None:
    assert client_address("203.0.113.9", forwarded, PROXIES) == "203.0.113.9"
    client_address("10.0.0.1", forwarded, PROXIES)
    client_address(peer, forwarded, PROXIES)


def test_a_client_with_a_whole_ipv6_network_is_one_client() -> None:
    assert throttle_key("2001:db8:0:1::1") == throttle_key("2001:db8:0:1:ffff::2") == "2001:db8:0:1::/64"
    assert throttle_key("2001:db8:0:2::1") != throttle_key("2001:db8:0:1::1")
    assert throttle_key("203.0.113.9") == "203.0.113.9"
    assert throttle_key("") == ""
