"""A real OpenID Connect provider as a process on loopback, and a person's browser that goes there and back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.test import Client

from ecsconsole.children import free_port

CALLBACK = "http://testserver/sign-in/sso/callback/"


@dataclass
class Idp:
    """The provider, with one client registered at it."""

    url: str
    client_id: str = ""
    client_secret: str = ""

    def register(self, *redirect_uris: str) -> None:
        body = {"redirect_uris": redirect_uris, "token_endpoint_auth_method": "client_secret_post"}
        answer = requests.post(f"{self.url}/oauth2/clients", json=body, timeout=5)
        answer.raise_for_status()
        self.client_id, self.client_secret = answer.json()["client_id"], answer.json()["client_secret"]

    def knows(self, sub: str, **claims: Any) -> None:
        """Set what the provider says of a person; claims of the token itself, such as exp, are overridden by it."""
        requests.put(f"{self.url}/users/{sub}", json=claims, timeout=5).raise_for_status()

    def authorize(self, address: str, sub: str) -> str:
        """Sign in there as the person, and return where the provider sends the browser."""
        answer = requests.post(address, data={"sub": sub}, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@contextmanager
def running_idp(*, registers: bool = True) -> Iterator[Idp]:
    """Start the provider; without registration it takes any client and any address to come back to."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "-n", "true"]
    command += ["-r", "true"] if registers else []
    idp = Idp(f"http://127.0.0.1:{port}")
    # A pipe that nobody reads would stop it once it is full.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, "NO_COLOR": "1"}, stdout=log, stderr=log)
        try:
            wait_for(f"{idp.url}/.well-known/openid-configuration", process)
            yield idp
        finally:
            process.terminate()
            process.wait(timeout=10)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the provider ended"
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:
                json.load(answer)
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the provider did not start")


def leave(client: Client, **fields: str) -> str:
    """Press the button, and return the address at the provider that the page leads to."""
    page = client.post("/sign-in/sso/", fields)
    assert page.status_code == 200, page.content.decode()
    found = re.search(r'content="0;url=([^"]+)"', page.content.decode())
    assert found
    return unescape(found[1])


def asked(address: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def changed(address: str, **parameters: str | None) -> str:
    """Return an address with other parameters, as somebody in between would send it."""
    merged = {**asked(address), **parameters}
    kept = {name: value for name, value in merged.items() if value is not None}
    return f"{address.split('?')[0]}?{urlencode(kept)}"


def come_back(client: Client, address: str) -> Any:
    """Follow the provider's redirect to the console."""
    assert address.startswith(CALLBACK), address
    return client.get(address.removeprefix("http://testserver"))
