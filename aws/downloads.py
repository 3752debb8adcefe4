"""Downloads of small documents to which AWS points by a signed URL."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as SlowBody

from aws.errors import AwsNotDelivered

# Configurations of images have some KiB; one that is larger than this is none.
MOST_BYTES = 1_048_576
# A person waits for it, and a network without a way to S3 drops packets instead of refusing them.
CONNECT_SECONDS = 1.0
SECONDS = 2.0
CHUNK = 65_536

WORDS: tuple[tuple[type[Exception], str], ...] = (
    (ConnectTimeoutError, "no answer to the connection"),
    (EndpointConnectionError, "the connection could not be made"),
    (ProxyConnectionError, "the proxy could not be reached"),
    # Before the answer, within its body, and by our own clock.
    *((kind, "no answer in time") for kind in (ReadTimeoutError, SlowBody, TimeoutError)),
    (SSLError, "its certificate does not hold, or it does not speak TLS"),
)


def fetch(url: str, *, what: str, endpoint: str) -> bytes:
    """Return what is behind a URL that AWS has signed; raises AwsNotDelivered, within two or three seconds.

    It goes the way that calls to `endpoint` go, with their proxy and their certificates. No redirect is followed, and
    plain HTTP is spoken only where AWS itself is spoken to by it, as in a sandbox. No text of an error has the URL in
    it: whoever has it could download the same.
    """
    where = urlsplit(url)

    def undelivered(reason: str) -> AwsNotDelivered:
        return AwsNotDelivered(f"{what} could not be downloaded from {where.hostname or 'nowhere'}: {reason}")

    if where.scheme != "https" and (where.scheme, urlsplit(endpoint).scheme) != ("http", "http"):
        raise undelivered(f"{where.scheme or 'no scheme'} is not spoken")
    give_up_at = time.monotonic() + SECONDS
    request = AWSRequest("GET", url, stream_output=True).prepare()
    with closing(session_for(url)) as session:
        try:
            answer = session.send(request)
            body = read_body(answer, give_up_at)
        except (BotoCoreError, HTTPError, OSError) as error:
            raise undelivered(words_of(error)) from None
    if answer.status_code != 200:
        raise undelivered(f"it answered {answer.status_code}")
    if len(body) > MOST_BYTES:
        raise undelivered(f"it is larger than {MOST_BYTES // 1024:,} KiB")
    return body


def session_for(url: str) -> URLLib3Session:
    """Return botocore's own HTTP session, set up as a client's is."""
    bundle = botocore.session.get_session().get_config_variable("ca_bundle")
    # The stubs know no pair of timeouts, which botocore itself gives.
    timeout: Any = (CONNECT_SECONDS, SECONDS)
    return URLLib3Session(verify=bundle or True, proxies=get_environ_proxies(url), timeout=timeout)


def read_body(answer: AWSResponse, give_up_at: float) -> bytes:
    """Read until the end, the bound of size or that of time; the latter also for one who sends byte by byte."""
    body = b""
    while len(body) <= MOST_BYTES:
        if time.monotonic() > give_up_at:
            raise TimeoutError
        # The rest of a chunk is not waited for.
        piece = answer.raw.read1(CHUNK)
        if not piece:
            break
        body += piece
    return body


def words_of(error: Exception) -> str:
    """Return what kind of error it was, in words that quote nothing of the request."""
    return next((words for kind, words in WORDS if isinstance(error, kind)), "the connection broke off")
