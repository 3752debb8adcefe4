"""OpenID Connect: where the identity provider is, the way there, and what it says when the person comes back."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from requests import RequestException

from ecsconsole.errors import ConsoleError

# Signed by a key that only the provider has; a shared secret or no signature proves nothing.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
# How far two clocks may be apart.
LEEWAY_SECONDS = 60
# Endpoints move rarely, and each sign-in would ask for them twice.
DISCOVERY_SECONDS = 600


class SignInRefused(ConsoleError):
    """The identity provider's answer signs nobody in."""

    status = 403
    title = "You are not signed in"


class ProviderAway(SignInRefused):
    """The identity provider does not answer, or not with what the standard asks."""

    status = 502
    advice = "Try again. If it stays, whoever runs the console checks OIDC_ISSUER and the client there."


class ConsoleAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """allauth's client, with our address to come back to and the discovery document checked."""

    _discovered: ClassVar[dict[str, tuple[float, dict[str, Any]]]] = {}

    def get_provider(self) -> ConsoleProvider:
        return configured_provider(self.request)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return request.build_absolute_uri(reverse("sso-callback"))

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the discovery document; its issuer must be the one we were told, or it is another's."""
        issuer = settings.OIDC_ISSUER
        at, found = self._discovered.get(issuer, (0.0, {}))
        if not found or time.monotonic() - at > DISCOVERY_SECONDS:
            found = dict(fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
            if found.get("issuer") != issuer:
                raise ProviderAway(f"The identity provider calls itself {found.get('issuer')}, not {issuer}.")
            self._discovered[issuer] = (time.monotonic(), found)
        return found


class ConsoleProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """The one identity provider that the settings name; its accounts are kept under its issuer."""

    oauth2_adapter_class = ConsoleAdapter


def configured_provider(request: HttpRequest) -> ConsoleProvider:
    app = SocialApp(
        provider=ConsoleProvider.id,
        provider_id=settings.OIDC_ISSUER,
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={
            "server_url": settings.OIDC_ISSUER,
            "oauth_pkce_enabled": True,
            "scope": settings.OIDC_SCOPES,
        },
    )
    return ConsoleProvider(request, app=app)


def fetch_json(address: str, **headers: str) -> Any:
    with get_adapter().get_requests_session() as session:
        answer = session.get(address, headers=headers)
        answer.raise_for_status()
        return answer.json()


def address_there(request: HttpRequest, *, target: str, is_confirming: bool, is_own_tab: bool = False) -> str:
    """Return the address at the identity provider, and remember in the session what its answer must match."""
    nonce = secrets.token_urlsafe(24)
    # max_age as well as prompt: a person could cut prompt off the address, but then auth_time tells. Without max_age a
    # provider need not say auth_time at all, and a proof older than the longest session is none for a new one.
    oldest = int(settings.SESSION_ABSOLUTE.total_seconds())
    asked = {"nonce": nonce} | (
        {"prompt": "login", "max_age": "0"} if is_confirming else {"max_age": str(oldest)}
    )
    try:
        response = configured_provider(request).redirect(
            request,
            process="login",
            next_url=target,
            auth_params=asked,
            nonce=nonce,
            confirms=request.user.pk if is_confirming else None,
            is_own_tab=is_own_tab,
            left_at=time.time(),
        )
    except (RequestException, KeyError, ValueError) as error:
        raise ProviderAway("The identity provider does not answer.") from error
    address: str = response["Location"]
    return address


def take_state(request: HttpRequest) -> dict[str, Any]:
    """Return what was remembered when the person left, once; an answer that nobody asked for is refused."""
    state: dict[str, Any] | None = statekit.unstash_state(
        request, provider_id=settings.OIDC_ISSUER, state_id=request.GET.get("state", "")
    )
    if state is None:
        raise SignInRefused(
            "This answer belongs to no sign-in that was begun here in the last ten minutes.",
            advice="Sign in again from this page.",
        )
    return state


def fetch_claims(request: HttpRequest, state: Mapping[str, Any]) -> dict[str, Any]:
    """Exchange the code for the claims of the person; raises `SignInRefused`."""
    if "code" not in request.GET:
        raise SignInRefused(
            f"The identity provider refused: {quote(request.GET.get('error', 'no reason given'), safe=' ._-')}."
        )
    provider = configured_provider(request)
    adapter = ConsoleAdapter(request, settings.OIDC_ISSUER)
    try:
        client = adapter.get_client(request, provider.app)
        tokens = client.get_access_token(
            request.GET["code"], pkce_code_verifier=state.get("pkce_code_verifier")
        )
        claims = verify_id_token(str(tokens.get("id_token", "")), adapter.openid_config, str(state["nonce"]))
        return add_userinfo(claims, adapter.openid_config, str(tokens["access_token"]))
    except OAuth2Error as error:
        raise SignInRefused("The identity provider did not accept the code that it gave.") from error
    except (RequestException, KeyError, ValueError) as error:
        raise ProviderAway("The identity provider does not answer as it should.") from error


def verify_id_token(token: str, config: Mapping[str, Any], nonce: str) -> dict[str, Any]:
    """Check signature, issuer, audience, times and nonce, as OpenID Connect Core 3.1.3.7 asks."""
    try:
        key = signing_key(token, fetch_json(config["jwks_uri"]))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=settings.OIDC_CLIENT_ID,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED},
        )
    except jwt.PyJWTError as error:
        raise SignInRefused(f"The identity provider's word does not hold: {error}.") from error
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise SignInRefused("The identity provider's word was given for another sign-in.")
    if claims.get("azp", settings.OIDC_CLIENT_ID) != settings.OIDC_CLIENT_ID:
        raise SignInRefused("The identity provider's word was given to another application.")
    return claims


def signing_key(token: str, document: Mapping[str, Any]) -> jwt.PyJWK:
    """Return the key that the token names; one without a name fits only where there is just one key."""
    keys = jwt.PyJWKSet.from_dict(dict(document)).keys
    name = jwt.get_unverified_header(token).get("kid")
    fitting = [key for key in keys if key.key_id == name] if name else keys
    if len(fitting) != 1:
        raise jwt.InvalidTokenError("it is signed with a key that the provider does not publish")
    return fitting[0]


def add_userinfo(claims: dict[str, Any], config: Mapping[str, Any], access_token: str) -> dict[str, Any]:
    """Add what only the userinfo endpoint says; what is signed wins."""
    address = config.get("userinfo_endpoint")
    if not address:
        return claims
    more = dict(fetch_json(address, Authorization=f"Bearer {access_token}"))
    if more.get("sub") != claims["sub"]:
        raise SignInRefused("The identity provider spoke of two different people.")
    return {**more, **claims}
