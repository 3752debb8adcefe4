"""The identity provider of the tests, one process for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from access.sso.provider import ConsoleAdapter
from tests.access.idp import CALLBACK, Idp, running_idp


@pytest.fixture(scope="session")
def provider() -> Iterator[Idp]:
    with running_idp() as idp:
        idp.register(CALLBACK)
        yield idp


@pytest.fixture
def idp(provider: Idp, settings: Any) -> Idp:
    """The provider, configured in the console."""
    settings.OIDC_ISSUER = provider.url
    settings.OIDC_CLIENT_ID = provider.client_id
    settings.OIDC_CLIENT_SECRET = provider.client_secret
    settings.OIDC_NAME = "Acme ID"
    ConsoleAdapter._discovered.clear()
    return provider
