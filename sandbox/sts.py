"""The STS operations that decide which account a client works in."""

from __future__ import annotations

from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from sandbox.identity import Identity, Principal
from sandbox.messages import Answer, Request, new_request_id

OPERATIONS = frozenset({"AssumeRole", "GetCallerIdentity"})
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def answer_sts(request: Request, operation: str, principal: Principal, identity: Identity) -> Answer:
    """Answer AssumeRole and GetCallerIdentity."""
    if operation == "GetCallerIdentity":
        fields = f"<Arn>{escape(principal.arn)}</Arn><UserId>{escape(principal.user_id)}</UserId>"
        return _answer(operation, f"{fields}<Account>{principal.account_id}</Account>")
    form = {
        name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()
    }
    session = identity.assume_role(
        principal,
        role_arn=form.get("RoleArn", ""),
        session_name=form.get("RoleSessionName", ""),
        external_id=form.get("ExternalId", ""),
        source_identity=form.get("SourceIdentity", ""),
        seconds=int(form.get("DurationSeconds") or 3600),
    )
    assumed = session.principal
    expires = assumed.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ") if assumed.expires_at else ""
    source = (
        f"<SourceIdentity>{escape(assumed.source_identity)}</SourceIdentity>"
        if assumed.source_identity
        else ""
    )
    return _answer(
        operation,
        f"<AssumedRoleUser><AssumedRoleId>{escape(assumed.user_id)}</AssumedRoleId>"
        f"<Arn>{escape(assumed.arn)}</Arn></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{session.access_key}</AccessKeyId>"
        f"<SecretAccessKey>{session.secret_key}</SecretAccessKey>"
        f"<SessionToken>{assumed.session_token}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
        f"{source}",
    )


def _answer(operation: str, result: str) -> Answer:
    request_id = new_request_id()
    body = (
        f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return Answer(200, body.encode(), [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)])
