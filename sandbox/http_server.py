"""A small threaded HTTP/1.1 server that keeps connections open."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit

from sandbox.messages import Answer, Request

logger = logging.getLogger(__name__)

Application = Callable[[Request], Answer]


class HttpServer(ThreadingMixIn, TCPServer):
    """One thread per connection; `close_connections` ends those that clients keep open."""

    allow_reuse_address = True
    daemon_threads = True
    # A poller with forty threads connects all of them at once.
    request_queue_size = 256

    def __init__(self, host: str, port: int, application: Application) -> None:
        self.application = application
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def remember(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def forget(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    def close_connections(self) -> None:
        """End every open connection, so that their threads stop reading."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # The client was faster.
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong, unless it is only a client that left."""
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError):
            logger.debug("%s left", client_address)
        else:
            logger.error("connection from %s failed", client_address, exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ecs-sandbox"
    sys_version = ""
    # Without it each answer waits 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    # A buffered answer leaves in one packet.
    wbufsize = 65536
    server: HttpServer

    def setup(self) -> None:
        super().setup()
        self.server.remember(self.connection)

    def finish(self) -> None:
        self.server.forget(self.connection)
        super().finish()

    def answer(self) -> None:
        """Read one request whole, answer it, leave the connection at the start of the next."""
        request = self._read()
        if request is None:
            self.send_error(411, "Length Required")
            return
        answer = self.server.application(request)
        if answer.drop:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = answer

    def _read(self) -> Request | None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return None
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, parts.path, parts.query, headers, body, str(self.client_address[0]))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        logger.debug(format, *args)
