"""One console over HTTP: asked again while the connection is bad, with the same key, so that nothing is done twice."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

Document = dict[str, Any]
# A restart of the console, or of a proxy before it, takes less.
PATIENCE_SECONDS = 60.0
LONGEST_PAUSE = 8.0
# Beside the time that the server was asked to wait.
ANSWER_SECONDS = 20.0
# Anything else would break the header or be half of something; a scanner of logs must not find it in an error.
TOKEN = re.compile(r"[\x21-\x7e]+")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class Refused(Exception):
    """The console answered, and the answer is no; `error` is its own words."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "")))
        self.error = dict(error)


class Lost(Exception):
    """The console could not be asked; what it knows is unknown here."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Stay where we were told to ask: the token is not for whoever is named in an answer."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


@dataclass
class Connection:
    """A console and a token of it."""

    url: str
    token: str
    tell: Callable[[str], None]
    patience: float = PATIENCE_SECONDS
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    # Once the console has answered here, another's 404 is that of a proxy which does not reach it now.
    has_answered: bool = False
    opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(NoRedirect)
    )

    def __post_init__(self) -> None:
        if not TOKEN.fullmatch(self.token):
            text = "The token holds a blank or a character that no token has; it was not sent. Copy it again."
            raise Refused({"code": "bad_token", "message": text})
        parts = parts_of(self.url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(
                {"code": "no_url", "message": f"{self.url or 'Nothing'} is no address of a console."}
            )
        if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
            self.tell("Warning: the token goes over plain HTTP; use https.")
        self.url = self.url.rstrip("/")

    def get(self, path: str, wait: int = 0, **query: Any) -> Document:
        if wait:
            query["wait"] = wait
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path, None, {}, wait)

    def post(self, path: str, body: Mapping[str, Any], key: str) -> Document:
        return self.ask("POST", path, json.dumps(body).encode(), {"Idempotency-Key": key}, 0)

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str], wait: int) -> Document:
        """Ask until there is an answer; raises `Refused`, or `Lost` when there was none for too long."""
        started, pause, told = self.clock(), 1.0, False
        while True:
            try:
                return self.ask_once(method, path, body, headers, wait + ANSWER_SECONDS)
            except Busy as busy:
                pause, why = max(busy.seconds, 1.0), str(busy)
            except (OSError, http.client.HTTPException, ValueError) as error:
                why = f"{self.url} does not answer: {reason_of(error)}."
            if self.clock() - started + pause > self.patience + wait:
                raise Lost(f"{why} Gave up after {self.clock() - started:.0f} s.")
            if not told:
                self.tell(f"{why} Asking again.")
                told = True
            self.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def ask_once(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> Document:
        """Ask once; raises what `ask` asks again for."""
        address = f"{self.url}/api/v1{path}"
        request = urllib.request.Request(address, data=body, method=method, headers=headers)  # noqa: S310 - the scheme was checked
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Accept", "application/json")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self.opener.open(request, timeout=timeout) as answer:
                found = read(answer.read())
                self.has_answered = True
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise refusal_of(error, error.read(), is_reached=self.has_answered) from None


class Busy(Exception):
    """The console, or what stands before it, asks for patience."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


def parts_of(url: str) -> SplitResult | None:
    """Return the parts of an address, None for what is none, such as one with a wrong port."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if url.isprintable() and " " not in url else None


def read(text: bytes) -> Document:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("the answer is not one of a console's API")
    return found


def refusal_of(error: urllib.error.HTTPError, text: bytes, *, is_reached: bool) -> Exception:
    """Return what an answer over 299 means: to be asked again, or no; `is_reached`: the console answered before."""
    try:
        body = read(text).get("error", {})
    except ValueError:
        body = {}
    if not isinstance(body, Mapping):
        # What stands before the console has errors of its own.
        body = {}
    said = body.get("message") or f"HTTP {error.code} {error.reason}."
    if error.code == http.client.TOO_MANY_REQUESTS or error.code >= http.client.INTERNAL_SERVER_ERROR:
        after = error.headers.get("Retry-After", "")
        return Busy(said, float(after) if after.isdecimal() else 1.0)
    if error.code < http.client.BAD_REQUEST:
        target = error.headers.get("Location", "")
        return Refused(
            {"code": "redirected", "message": f"The address redirects to {target}: name the right one."}
        )
    if not body and is_reached:
        return Busy(said, 1.0)
    return Refused({"code": f"http_{error.code}", "message": said, **body})


def reason_of(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rstrip(".") or type(error).__name__
