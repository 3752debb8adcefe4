"""Downloads by signed URLs: from servers that answer, send elsewhere, send too much, or never end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aws import downloads
from aws.downloads import fetch
from aws.errors import AwsNotDelivered

Behaviour = Callable[[BaseHTTPRequestHandler], None]
SECRET = "X-Amz-Signature=0123456789abcdef"


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def whole(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 200, b'{"os": "linux"}')


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 302, b"", Location="/whole")


def forbidden(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 403, b"<Error/>")


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65_536)


def byte_by_byte(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def broken(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


BEHAVIOURS: dict[str, Behaviour] = {
    f"/{one.__name__}": one for one in (whole, elsewhere, forbidden, endless, byte_by_byte, silent, broken)
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        BEHAVIOURS[self.path.partition("?")[0]](self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that have seen enough leave."""


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def failure(place: str, path: str, *, endpoint: str = "http://127.0.0.1") -> str:
    with pytest.raises(AwsNotDelivered) as caught:
        fetch(f"{place}/{path}?{SECRET}", what="the document", endpoint=endpoint)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)
    return str(caught.value)


def test_a_body_is_returned_whole(place: str) -> None:
    assert fetch(f"{place}/whole?{SECRET}", what="it", endpoint=place) == b'{"os": "linux"}'


def test_plain_http_is_spoken_only_where_aws_is_spoken_to_by_it(place: str) -> None:
    assert "http is not spoken" in failure(place, "whole", endpoint="https://api.ecr.us-east-1.amazonaws.com")
    assert "file is not spoken" in failure("file:///etc", "hostname")
    assert "ftp is not spoken" in failure("ftp://127.0.0.1", "whole")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("elsewhere", "it answered 302"),
        ("forbidden", "it answered 403"),
        ("endless", "it is larger than 1,024 KiB"),
        ("broken", "the connection broke off"),
    ],
)
def test_what_is_no_such_document_is_told(place: str, path: str, told: str) -> None:
    assert failure(place, path) == f"the document could not be downloaded from 127.0.0.1: {told}."


@pytest.mark.parametrize("path", ["silent", "byte_by_byte"])
def test_nobody_is_waited_for(place: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "SECONDS", 0.3)
    began = time.monotonic()
    assert "no answer in time" in failure(place, path)
    assert time.monotonic() - began < 0.9


def test_a_port_that_nobody_listens_on_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "the connection could not be made" in failure(f"http://127.0.0.1:{port}", "whole")


def test_a_proxy_of_the_environment_is_used(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", place)
    # The proxy is asked for the whole address, which this server does not know.
    monkeypatch.setitem(BEHAVIOURS, "http://layers.example/config", whole)
    assert fetch("http://layers.example/config?x=1", what="it", endpoint=place) == b'{"os": "linux"}'
