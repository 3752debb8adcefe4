"""The console connects to nothing in its own network, however the address is written."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from notifications.senders import address
from notifications.senders.address import AddressRefused, is_public, judge

REFUSED = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://localhost/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a9fe:a9fe]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:1::1]/",
    "https://[fe80::1%25lo]/",
    "https://[fec0::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
]
MALFORMED = [
    "http://8.8.8.8/",
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "gopher://8.8.8.8/",
    "https://",
    "https:///path",
    "//8.8.8.8/",
    "8.8.8.8",
    "https://user:password@8.8.8.8/",
    # Accepted, it could not be sent: a line of a request is ASCII.
    "https://8.8.8.8/hooks/k\u00fcche",
    "https://8.8.8.\uff18/",
    "https://8.8.8.8@127.0.0.1/",
    "https://8.8.8.8:99999/",
    "https://8.8.8.8\\@127.0.0.1/",
    "https://8.8.8.8/\r\nHost: x",
    "https://8.8 .8.8/",
]


@pytest.mark.parametrize("url", REFUSED)
def test_address_that_is_not_public_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused, match=r"not on the public internet|no URL"):
        judge(url)


@pytest.mark.parametrize("url", MALFORMED)
def test_url_in_another_form_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        judge(url)


@pytest.mark.parametrize("text", ["8.8.8.8", "52.94.236.248", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_address_is_let_through(text: str) -> None:
    target = judge(f"https://{f'[{text}]' if ':' in text else text}/in?key=1")
    assert target.path == "/in?key=1"
    assert target.port == 443


def answering(*addresses: str) -> Any:
    return lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]


@pytest.mark.parametrize("private", ["10.1.2.3", "169.254.169.254", "127.0.0.1", "::1", "fe80::1%eth0"])
def test_name_that_answers_with_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, private: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering("8.8.8.8", private))
    with pytest.raises(AddressRefused, match=f"hooks.example.com is at {private}"):
        judge("https://hooks.example.com/")


def test_host_that_the_settings_name_may_be_private_and_plain(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering("10.1.2.3"))
    settings.NOTIFICATION_ALLOW_HOSTS = ["mattermost.internal"]
    assert judge("http://mattermost.internal:8065/hooks/x").ip == "10.1.2.3"
    with pytest.raises(AddressRefused):
        judge("https://other.internal/")


def test_address_is_what_was_judged_and_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    monkeypatch.setattr(address, "resolve", lambda host, port: next(answers))
    assert judge("https://rebind.example/").ip == "8.8.8.8"


def test_ipv4_inside_ipv6_is_judged_as_ipv4() -> None:
    import ipaddress

    assert is_public(ipaddress.ip_address("::ffff:8.8.8.8"))
    assert not is_public(ipaddress.ip_address("::ffff:10.0.0.1"))
