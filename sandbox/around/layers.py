"""Downloads from ECR: signed URLs of images' configurations, and what is behind them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

from sandbox.around.registry import Ask, Document, answers
from sandbox.faults import Call, Faults
from sandbox.messages import Answer, Request, s3_error
from sandbox.ports import ApiError
from sandbox.registry import find_configuration, has_repository

PREFIX = "/_layers/"
LASTS_SECONDS = 3600
_STAMP = "%Y%m%dT%H%M%SZ"
_KEY = secrets.token_bytes(32)


@answers("ecr", "GetDownloadUrlForLayer")
def get_download_url(ask: Ask, params: Document) -> Document:
    """Hand out a URL for an image's configuration; of other layers the sandbox has nothing but the digests."""
    account_id = params.get("registryId") or ask.caller.account_id
    repository, digest = params["repositoryName"], params["layerDigest"]
    place = (account_id, ask.caller.region, repository)
    if not has_repository(*place):
        raise ApiError(
            "RepositoryNotFoundException",
            f"The repository with name '{repository}' does not exist in the registry with id '{account_id}'",
        )
    if find_configuration(*place, digest) is None:
        raise ApiError(
            "LayersNotFoundException",
            f"The layer with digest '{digest}' does not exist in the repository with name '{repository}'",
        )
    path = PREFIX + "/".join((*place, digest))
    return {"downloadUrl": f"http://{ask.host}{path}?{signed(path)}", "layerDigest": digest}


def signed(path: str) -> str:
    """Return the query that lets anybody who has it download for an hour of real time, as credentials expire."""
    stamp = datetime.now(UTC).strftime(_STAMP)
    query = {"X-Amz-Date": stamp, "X-Amz-Expires": str(LASTS_SECONDS)}
    return urlencode({**query, "X-Amz-Signature": signature(path, stamp)})


def signature(path: str, stamp: str) -> str:
    return hmac.new(_KEY, f"{path} {stamp}".encode(), hashlib.sha256).hexdigest()


def answer_layer(request: Request, faults: Faults) -> Answer:
    """Answer a download as S3 does; faults of its GetObject meet it."""
    account_id, _, rest = request.path.removeprefix(PREFIX).partition("/")
    region, _, rest = rest.partition("/")
    repository, _, digest = rest.rpartition("/")
    try:
        outcome = faults.meet(Call("s3", "GetObject", account_id, region))
        if outcome.drop_before or outcome.drop_after:
            return Answer(0, drop=True)
        judge(request)
        content = find_configuration(account_id, region, repository, digest)
        if content is None:
            raise ApiError("NoSuchKey", "The specified key does not exist.", status=404)
    except ApiError as error:
        return Answer(error.status, s3_error(error), [("Content-Type", "application/xml")])
    return Answer(200, content, [("Content-Type", "application/octet-stream")])


def judge(request: Request) -> None:
    """Refuse a URL that is not signed, was changed, or is too old."""
    query = {name: values[0] for name, values in parse_qs(request.query).items()}
    stamp = query.get("X-Amz-Date", "")
    if not hmac.compare_digest(query.get("X-Amz-Signature", ""), signature(request.path, stamp)):
        raise ApiError("AccessDenied", "Access Denied", status=403)
    since = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    if time.time() - since.timestamp() > LASTS_SECONDS:
        raise ApiError("AccessDenied", "Request has expired", status=403)
