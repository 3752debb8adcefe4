"""One POST to a judged address: no redirect, no retry, no proxy, a deadline for the whole, and a bound on the answer."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from http.client import HTTPException

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from notifications.senders.address import Target, judge
from notifications.senders.outcome import CannotSend, SendFailed

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
# Somebody who sends one byte every nine seconds would hold a worker for ever.
DEADLINE_SECONDS = 20.0
MOST_BYTES = 4096
LONGEST_WAIT = timedelta(hours=1)
# Asked too early, or too much for the moment: worth another try although the code begins with 4.
TRY_AGAIN = frozenset({408, 425, 429})


WORDS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((ConnectTimeoutError,), "no answer to the connection."),
    ((NewConnectionError, ConnectionRefusedError), "the connection was refused."),
    ((ssl.SSLCertVerificationError,), "its certificate does not hold for that name."),
    ((ssl.SSLError, SSLError), "it does not speak TLS as it should."),
    ((TimeoutError,), "no answer in time."),
    ((HTTPException, ConnectionError), "the connection broke off."),
)


def connection_to(target: Target) -> HTTPConnection:
    """Return a connection to the address that was judged, which speaks to the host that was meant.

    Certificates are checked against the system's authorities, or those of SSL_CERT_FILE.
    """
    if target.scheme == "http":
        return HTTPConnection(target.ip, target.port, timeout=CONNECT_SECONDS)
    return HTTPSConnection(
        target.ip,
        target.port,
        timeout=CONNECT_SECONDS,
        ssl_context=ssl.create_default_context(),
        server_hostname=target.host,
    )


@contextmanager
def deadline(connection: HTTPConnection, seconds: float) -> Iterator[threading.Event]:
    """Cut the connection when the time is over; the event says that it was."""
    over = threading.Event()

    def cut() -> None:
        over.set()
        with suppress(OSError):  # it ended by itself at that moment
            if connection.sock is not None:
                # The plain socket's method: that of TLS would drop the session under its reader.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()


def host_header(target: Target) -> str:
    name = f"[{target.host}]" if ":" in target.host else target.host
    return name if target.port == (443 if target.scheme == "https" else 80) else f"{name}:{target.port}"


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float = DEADLINE_SECONDS) -> None:
    """Send and return on success; raises `SendFailed` or `CannotSend`, without the URL in the sentence."""
    target = judge(url)
    fixed = {"Host": host_header(target), "User-Agent": "ecsconsole", "Accept-Encoding": "identity"}
    connection = connection_to(target)
    with closing(connection), deadline(connection, seconds) as over:
        try:
            connection.connect()
            connection.sock.settimeout(READ_SECONDS)
            connection.request("POST", target.path, body, {**headers, **fixed}, preload_content=False)
            response = connection.getresponse()
            text = response.read(MOST_BYTES).decode(errors="replace")
        except (HTTPError, HTTPException, OSError) as error:
            if over.is_set():
                raise too_slow(target, seconds) from None
            # The class says enough: texts of HTTP errors quote the path, and with it the secret.
            raise SendFailed(f"{target.host} could not be reached: {words_of(error)}") from None
    if over.is_set():
        # The cut may look like the end of an answer.
        raise too_slow(target, seconds)
    judge_answer(target, response.status, text, response.headers.get("Retry-After", ""))


def too_slow(target: Target, seconds: float) -> SendFailed:
    return SendFailed(f"{target.host} took longer than {seconds:g} s.")


def words_of(error: Exception) -> str:
    """Return what kind of error it was, in a few words that quote nothing of the request."""
    for kinds, words in WORDS:
        if isinstance(error, kinds):
            return words
    return f"{type(error).__name__}."


def judge_answer(target: Target, status: int, text: str, wait: str) -> None:
    """Return on success; every other answer raises, and says whether another try may help."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise CannotSend(f"{target.host} answered {status} and sends elsewhere; redirects are not followed.")
    shown = without_path(" ".join(text.split()), target.path)[:200]
    sentence = f"{target.host} answered {status}" + (f": {shown}" if shown else ".")
    if 400 <= status < 500 and status not in TRY_AGAIN:
        raise CannotSend(sentence)
    raise SendFailed(sentence, wait=retry_after(wait))


def without_path(text: str, path: str) -> str:
    """Hide the parts of our own path that an answer repeats: they are the secret of most webhooks."""
    for part in sorted(re.split(r"[/?&=]", path), key=len, reverse=True):
        text = text.replace(part, "…") if len(part) >= 6 else text
    return text


def retry_after(text: str) -> timedelta | None:
    """Return how long the receiver asks to be left alone, within reason; a date is not worth reading."""
    return min(timedelta(seconds=int(text)), LONGEST_WAIT) if text.isdecimal() and len(text) < 9 else None
