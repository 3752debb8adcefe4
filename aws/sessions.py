"""Sessions and clients: who the console is in an account, and the cached clients that act as them.

Making a client costs up to 100 ms and 12 MB, so there is one session per role and purpose, all of them share one
loader, and a client is made once, under one lock because boto3's sessions are not thread-safe.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader

from aws.mapping import map_error
from aws.parsing import FastParserFactory
from aws.scope import Scope

CONNECT_SECONDS = 3
READ_SECONDS = 10
# One session of a change lives no longer than this many newer ones; the pollers' are never that many.
SESSIONS_KEPT = 128
# Roles' default maximum is an hour; botocore renews fifteen minutes before the end.
SESSION_SECONDS = 3600

READS = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    # aws.calls repeats reads, because each attempt needs a token of the budget.
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=32,
    user_agent_extra="ecsconsole",
)
WRITES = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    # ECS's changing calls have no client token: a retry by the SDK could do it twice.
    retries={"mode": "standard", "total_max_attempts": 1},
    user_agent_extra="ecsconsole",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom to be: a role for a purpose; without a role, whoever the environment says."""

    role_arn: str = ""
    external_id: str = ""
    session_name: str = "ecsconsole"
    # The acting person's stable id, which CloudTrail shows on every call of the session.
    source_identity: str = ""


def reader(scope: Scope) -> Identity:
    """Return the identity that reads a scope."""
    return Identity(scope.role_arn, scope.external_id, "ecsconsole-read")


class RoleProvider(CredentialProvider):
    """Gives credentials of an assumed role that renew themselves before they expire."""

    METHOD = "ecsconsole-role"

    def __init__(self, refresh: Callable[[], dict[str, str]]) -> None:
        super().__init__()
        self._refresh = refresh

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._refresh, method=self.METHOD)


class Sessions:
    """The cache of sessions and clients of one process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loader = Loader(include_default_search_paths=True)
        self._sessions: OrderedDict[tuple[Identity, str], boto3.Session] = OrderedDict()
        self._clients: dict[tuple[Identity, str, str, bool], Any] = {}

    def client(self, identity: Identity, service: str, region: str, *, is_write: bool = False) -> Any:
        """Return the client of an identity for a service in a region."""
        key = (identity, region, service, is_write)
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                config = WRITES if is_write else READS
                session = self._session(identity, region)
                client = session.client(service, config=config)  # type: ignore[call-overload]
                self._clients[key] = client
        return client

    def forget(self, identity: Identity) -> None:
        """Drop an identity's sessions, so that the next call fetches fresh credentials."""
        with self._lock:
            for key in [key for key in self._sessions if key[0] == identity]:
                self._drop(key)

    def clear(self) -> None:
        """Drop everything, as after a change of the environment."""
        with self._lock:
            self._sessions.clear()
            self._clients.clear()

    def _session(self, identity: Identity, region: str) -> boto3.Session:
        key = (identity, region)
        if key in self._sessions:
            self._sessions.move_to_end(key)
        else:
            self._sessions[key] = self._make(identity, region)
            while len(self._sessions) > SESSIONS_KEPT:
                self._drop(next(iter(self._sessions)))
        return self._sessions[key]

    def _drop(self, key: tuple[Identity, str]) -> None:
        del self._sessions[key]
        for client_key in [name for name in self._clients if name[:2] == key]:
            del self._clients[client_key]

    def _make(self, identity: Identity, region: str) -> boto3.Session:
        core = botocore.session.get_session()
        core.register_component("data_loader", self._loader)
        core.register_component("response_parser_factory", FastParserFactory())
        if identity.role_arn:
            provider = RoleProvider(lambda: self._assume(identity, region))
            core.register_component("credential_provider", CredentialResolver([provider]))
        return boto3.Session(botocore_session=core, region_name=region or None)

    def _assume(self, identity: Identity, region: str) -> dict[str, str]:
        """Fetch credentials of a role with the console's own; runs inside botocore, which lets our errors through.

        They are mapped here, because the call behind them was never made, whatever became of this one.
        """
        asked = {
            "RoleArn": identity.role_arn,
            "RoleSessionName": identity.session_name,
            "DurationSeconds": SESSION_SECONDS,
        }
        if identity.external_id:
            asked["ExternalId"] = identity.external_id
        if identity.source_identity:
            asked["SourceIdentity"] = identity.source_identity
        client = self.client(Identity(), "sts", region)
        try:
            found = client.assume_role(**asked)["Credentials"]
        except (BotoCoreError, ClientError) as error:
            raise map_error(error, "sts:AssumeRole") from error
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }


sessions = Sessions()
