"""Which account and which person stand behind a request's credentials.

Signatures are not verified, and any secret key will do; access keys and session tokens are checked as AWS does.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs

from sandbox.messages import Request
from sandbox.ports import ApiError, Caller

HUB_ACCOUNT_ID = "444455556666"
HUB_ACCESS_KEY = "AKIASANDBOXHUB000000"
HUB_SECRET_KEY = "sandbox"  # noqa: S105 - nothing checks it
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_CREDENTIAL_A = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/aws4_request")
_ROLE_ARN = re.compile(r"arn:(aws[\w-]*):iam::(\d{12}):role/([\w+=,.@/-]+)")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature says: access key, region, and the service that it is for."""

    access_key: str
    region: str
    service: str
    session_token: str


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role that may be assumed; `allows` are `service:Operation` globs."""

    arn: str
    external_id: str = ""
    allows: tuple[str, ...] = ("*",)
    max_session_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: a user, or the session of an assumed role."""

    account_id: str
    arn: str
    user_id: str
    allows: tuple[str, ...] = ("*",)
    session_name: str = ""
    source_identity: str = ""
    session_token: str = ""
    expires_at: datetime | None = None

    def caller(self, region: str) -> Caller:
        return Caller(self.account_id, region, self.arn, self.source_identity, self.session_name)

    def may(self, action: str) -> bool:
        return any(fnmatchcase(action, pattern) for pattern in self.allows)


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials as AssumeRole hands them out."""

    access_key: str
    secret_key: str
    principal: Principal


class Identity:
    """Users, roles and sessions of one sandbox."""

    def __init__(
        self,
        *,
        claim: Callable[[str], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # Told of each account before anything is done in it.
        self._claim = claim
        self._clock = clock
        self._lock = threading.Lock()
        self._users: dict[str, Principal] = {}
        self._roles: dict[str, Role] = {}
        self._sessions: dict[str, Principal] = {}
        self.accounts: set[str] = set()
        self.add_user(HUB_ACCESS_KEY, HUB_ACCOUNT_ID, "ecsconsole")

    def add_account(self, account_id: str) -> None:
        """Make an account known."""
        if account_id not in self.accounts:
            self._claim(account_id)
            self.accounts.add(account_id)

    def add_user(self, access_key: str, account_id: str, name: str) -> Principal:
        """Make an access key known that never expires and may do everything in its account."""
        user = Principal(account_id, f"arn:aws:iam::{account_id}:user/{name}", "AIDA" + access_key[-16:])
        self.add_account(account_id)
        self._users[access_key] = user
        return user

    def add_role(self, role: Role) -> None:
        self.add_account(role.arn.split(":")[4])
        self._roles[role.arn] = role

    def roles(self) -> list[Role]:
        return list(self._roles.values())

    def role(self, arn: str) -> Role | None:
        """Return a role of the scenario's or one that was made through IAM."""
        return self._roles.get(arn) or (_moto_role(arn) if _ROLE_ARN.fullmatch(arn) else None)

    def authenticate(self, scope: Scope) -> Principal:
        """Return the principal behind a signature; an access key of twelve digits is that account's own user."""
        user = self._users.get(scope.access_key)
        if user is not None:
            return user
        if re.fullmatch(r"\d{12}", scope.access_key):
            return self.add_user(scope.access_key, scope.access_key, "sandbox")
        principal = self._sessions.get(scope.access_key)
        if principal is None or principal.session_token != scope.session_token:
            raise self._invalid(scope)
        if principal.expires_at is not None and self._clock() >= principal.expires_at:
            raise expired(scope.service)
        return principal

    def assume_role(
        self,
        caller: Principal,
        *,
        role_arn: str,
        session_name: str,
        external_id: str = "",
        source_identity: str = "",
        seconds: int = 3600,
    ) -> Session:
        """Hand out temporary credentials of a role, or refuse as STS does."""
        _check_names(role_arn, session_name, source_identity)
        role = self.role(role_arn)
        changed = caller.source_identity and source_identity not in {"", caller.source_identity}
        if role is None or role.external_id != (external_id if role.external_id else "") or changed:
            raise ApiError(
                "AccessDenied",
                f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                status=403,
            )
        # A role that assumes a role gets one hour at most.
        longest = min(role.max_session_seconds, 3600) if caller.session_name else role.max_session_seconds
        if not 900 <= seconds <= longest:
            raise ApiError(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            )
        source = caller.source_identity or source_identity
        return self._open_session(role, session_name, source, self._clock() + timedelta(seconds=seconds))

    def expire_sessions(self) -> int:
        """Let every session end now; return how many there were."""
        now = self._clock()
        with self._lock:
            for key, principal in self._sessions.items():
                self._sessions[key] = _until(principal, now)
            return len(self._sessions)

    def _open_session(self, role: Role, session_name: str, source: str, expires_at: datetime) -> Session:
        _, account_id, path = _role_parts(role.arn)
        name = path.rsplit("/", 1)[-1]
        role_id = "AROA" + _stable_id(role.arn)
        principal = Principal(
            account_id,
            f"arn:aws:sts::{account_id}:assumed-role/{name}/{session_name}",
            f"{role_id}:{session_name}",
            role.allows,
            session_name,
            source,
            secrets.token_urlsafe(120),
            expires_at,
        )
        access_key = "ASIA" + "".join(secrets.choice(_LETTERS) for _ in range(16))
        with self._lock:
            # Long demos would otherwise keep each session that ever was; a day keeps the right error for old ones.
            stale = self._clock() - timedelta(days=1)
            for key in [
                k for k, p in self._sessions.items() if p.expires_at is not None and p.expires_at < stale
            ]:
                del self._sessions[key]
            self._sessions[access_key] = principal
            self.add_account(account_id)
        return Session(access_key, secrets.token_urlsafe(30), principal)

    def _invalid(self, scope: Scope) -> ApiError:
        text = "The security token included in the request is invalid."
        if scope.service in QUERY_SERVICES:
            return ApiError("InvalidClientTokenId", text, status=403)
        return ApiError("UnrecognizedClientException", text)


QUERY_SERVICES = frozenset(
    {"sts", "iam", "elasticloadbalancing", "ec2", "autoscaling", "sns", "cloudformation"}
)


def expired(service: str) -> ApiError:
    """The error for credentials past their time, which query services name differently."""
    text = "The security token included in the request is expired"
    if service in QUERY_SERVICES:
        return ApiError("ExpiredToken", text, status=403)
    return ApiError("ExpiredTokenException", text)


def read_scope(request: Request) -> Scope:
    """Read access key, region and service from a request's signature."""
    query = parse_qs(request.query) if "X-Amz-Credential" in request.query else {}
    presigned = f"Credential={query['X-Amz-Credential'][0]}" if query else ""
    authorization = request.headers.get("authorization", "") or presigned
    token = request.headers.get("x-amz-security-token", "") or query.get("X-Amz-Security-Token", [""])[0]
    found = _CREDENTIAL.search(authorization)
    if found is not None:
        return Scope(found[1], found[2], found[3], token)
    # SigV4A signs for a set of regions and names none in its scope.
    found = _CREDENTIAL_A.search(authorization)
    if found is not None:
        region = request.headers.get("x-amz-region-set", "us-east-1").split(",")[0].replace("*", "us-east-1")
        return Scope(found[1], region, found[2], token)
    raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", status=403)


def _check_names(role_arn: str, session_name: str, source_identity: str) -> None:
    if _ROLE_ARN.fullmatch(role_arn) is None:
        raise ApiError("ValidationError", f"{role_arn} is invalid")
    for name, value in (("roleSessionName", session_name), ("sourceIdentity", source_identity)):
        if (value or name == "roleSessionName") and _SESSION_NAME.fullmatch(value) is None:
            raise ApiError(
                "ValidationError",
                f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w+=,.@-]*",
            )


def _role_parts(arn: str) -> tuple[str, str, str]:
    found = _ROLE_ARN.fullmatch(arn)
    if found is None:
        raise ValueError(f"not a role: {arn}")
    return found[1], found[2], found[3]


def _stable_id(text: str) -> str:
    number = int.from_bytes(text.encode(), "big")
    letters = []
    for _ in range(17):
        number, index = divmod(number * 31 + 7, 32)
        letters.append(_LETTERS[index])
    return "".join(letters)


def _until(principal: Principal, at: datetime) -> Principal:
    fields = {name: getattr(principal, name) for name in Principal.__slots__}
    return Principal(**{**fields, "expires_at": at})


def _moto_role(role_arn: str) -> Role | None:
    """Find a role that was made through IAM; its trust policy may ask for an external id."""
    from moto.iam.models import iam_backends

    _, account_id, path = _role_parts(role_arn)
    name = path.rsplit("/", 1)[-1]
    for role in iam_backends[account_id]["aws"].roles.values():
        if role.name == name:
            policy = json.loads(role.assume_role_policy_document or "{}")
            return Role(
                role_arn, _external_id_of(policy), max_session_seconds=int(role.max_session_duration or 3600)
            )
    return None


def _external_id_of(policy: dict[str, Any]) -> str:
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        wanted = statement.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId", "")
        if wanted:
            return str(wanted if isinstance(wanted, str) else wanted[0])
    return ""
