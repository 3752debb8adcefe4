"""Real receivers on loopback: a web server that answers as it is told, and a small mail server."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came in, and what is answered next; the last answer stays."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(200, {}, b"ok")])

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.requests.append(Request(self.path, dict(self.headers.items()), body))
            status, headers, text = receiver.answer()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # a sender that has read enough hangs up
                self.wfile.write(text)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/services/T0/B0/hunter2hunter2"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@dataclass
class MailServer:
    port: int = 0
    mails: list[tuple[str, list[str], str]] = field(default_factory=list)
    # What RCPT is answered, and what to those whom it names.
    recipient_answer: str = "250 OK"
    answers: dict[str, str] = field(default_factory=dict)


@contextmanager
def receiving_mail() -> Iterator[MailServer]:
    """Speak as much SMTP as a sender needs: EHLO, MAIL, RCPT, DATA, RSET, QUIT."""
    mail_server = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        def read_data(self) -> str:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            return b"".join(lines).decode()

        def handle(self) -> None:
            sender, recipients = "", []
            self.say("220 loopback")
            while line := self.rfile.readline().decode().strip():
                verb = line.upper()
                if verb.startswith("MAIL FROM:"):
                    sender = line[10:].split()[0].strip("<>")
                if verb.startswith("RCPT TO:"):
                    name = line[8:].strip().strip("<>")
                    answer = mail_server.answers.get(name, mail_server.recipient_answer)
                    recipients += [name] if answer.startswith("2") else []
                    self.say(answer)
                elif verb == "DATA":
                    self.say("354 go on")
                    mail_server.mails.append((sender, recipients, self.read_data()))
                    self.say("250 taken")
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 OK")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mail_server.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield mail_server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
