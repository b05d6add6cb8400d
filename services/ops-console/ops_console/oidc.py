"""Signing in at the company's identity provider (OpenID Connect, authorisation code with PKCE).

What comes back through the browser is believed only after the ID token's signature, issuer, audience, expiry and nonce
were checked, and only for the browser that began: state, nonce and verifier lie in a short-lived cookie of its own.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import jwt
import orjson

from connector_kit.http import CallError
from hub_common.clock import Clock
from hub_common.http.factory import HttpSender, Prepared
from hub_common.http.guard import AddressRefused, check_url
from hub_common.web import Problem
from ops_console.accounts import User, user_of_claims
from ops_console.config import ConsoleSettings
from ops_console.services import LOOK_SECONDS, OWN_NETWORK
from ops_console.sessions import same

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with public keys only: `none` and shared secrets are how forged tokens get in."""
KEEP_SECONDS = 3600.0
"""How long the provider's addresses and keys are believed; an unknown key id fetches them anew at once."""
LOGIN_CLAIMS = ("email", "preferred_username", "sub")
CLOCK_SKEW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in that has begun, kept by the browser that began it."""

    state: str
    nonce: str
    verifier: str
    to: str

    def cookie(self) -> str:
        """For the browser to keep; its content is of no use without the code that only the provider sends."""
        return base64.urlsafe_b64encode(orjson.dumps([self.state, self.nonce, self.verifier, self.to])).decode()

    @classmethod
    def read(cls, cookie: str) -> Attempt | None:
        """None when it cannot be read."""
        try:
            state, nonce, verifier, to = orjson.loads(base64.urlsafe_b64decode(cookie))
        except (ValueError, TypeError):
            return None
        return cls(str(state), str(nonce), str(verifier), str(to))


def begin(to: str) -> Attempt:
    """Fresh secrets for one sign-in."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Attempt(state, nonce, verifier, to)


class Provider:
    """The identity provider of this deployment."""

    def __init__(self, settings: ConsoleSettings, sender: HttpSender, clock: Clock) -> None:
        self._settings, self._sender, self._clock = settings, sender, clock
        self._addresses: dict[str, Any] = {}
        self._keys: jwt.PyJWKSet | None = None
        self._read_at = float("-inf")

    async def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser is sent. Raises `Problem` 502 when the provider cannot be reached."""
        await self._refresh()
        challenge = hashlib.sha256(attempt.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.oidc_scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        target = str(self._addresses["authorization_endpoint"])
        return target + ("&" if "?" in target else "?") + urlencode(query)

    async def user(self, attempt: Attempt, state: str, code: str, redirect_uri: str) -> User:
        """Who came back. Raises `Problem` 403 for anything that does not fit, 502 when the provider is away."""
        if not same(attempt.state, state):
            raise _refused("The answer belongs to another sign-in. Begin again.")
        await self._refresh()
        claims = await self._claims(await self._token(attempt, code, redirect_uri), attempt.nonce)
        login = next((str(claims[name]) for name in LOGIN_CLAIMS if claims.get(name)), "")
        values = claims.get(self._settings.oidc_role_claim, [])
        named = [values] if isinstance(values, str) else [str(value) for value in values]
        user = user_of_claims(named, self._settings.oidc_roles, login[:64])
        if user is None or not login:
            raise _refused("You are known, but none of your groups may use the hub. Ask its administrator.")
        return user

    async def _token(self, attempt: Attempt, code: str, redirect_uri: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._settings.oidc_client_id,
            "code_verifier": attempt.verifier,
        }
        secret = self._settings.oidc_client_secret.get_secret_value()
        if secret:
            form["client_secret"] = secret
        answer = await self._ask("POST", str(self._addresses["token_endpoint"]), urlencode(form).encode())
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refused("The identity provider gave no proof of who you are.")
        return token

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._settings.oidc_client_id,
                issuer=self._settings.oidc_issuer,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise _refused(f"The proof of who you are is not valid ({type(error).__name__}).") from None
        if not same(str(claims.get("nonce", "")), nonce):
            raise _refused("The proof of who you are belongs to another sign-in. Begin again.")
        return claims

    async def _key(self, key_id: str | None) -> jwt.PyJWK:
        for again in (False, True):
            if again:
                await self._refresh(anew=True)
            found = [key for key in (self._keys.keys if self._keys else []) if key_id in (None, key.key_id)]
            if found:
                return found[0]
        raise _refused("The proof of who you are is signed with a key that the identity provider does not publish.")

    async def _refresh(self, *, anew: bool = False) -> None:
        if not anew and self._clock.monotonic() - self._read_at < KEEP_SECONDS:
            return
        issuer = self._settings.oidc_issuer.rstrip("/")
        addresses = await self._ask("GET", f"{issuer}/.well-known/openid-configuration")
        if addresses.get("issuer") != self._settings.oidc_issuer:
            raise _away("calls itself by another name than HUB_OIDC_ISSUER")
        try:
            self._keys = jwt.PyJWKSet.from_dict(await self._ask("GET", str(addresses["jwks_uri"])))
        except (jwt.PyJWTError, KeyError):
            raise _away("publishes no keys") from None
        self._addresses, self._read_at = addresses, self._clock.monotonic()

    async def _ask(self, method: str, address: str, form: bytes | None = None) -> dict[str, Any]:
        headers = {"accept": "application/json"}
        if form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            url = check_url(address, OWN_NETWORK)
            answer = await self._sender.send(Prepared(method, url, headers, form), LOOK_SECONDS)
            data = answer.json()
        except (CallError, AddressRefused) as error:
            raise _away(f"cannot be reached: {error}") from None
        if answer.status != 200 or not isinstance(data, dict):
            word = data.get("error") if isinstance(data, dict) else None
            raise _refused(f"The identity provider refused ({word or answer.status}). Begin again.")
        return data


def _refused(words: str) -> Problem:
    return Problem("sign-in-refused", "Sign-in refused", 403, words)


def _away(words: str) -> Problem:
    return Problem("identity-provider-away", "Identity provider away", 502, f"The identity provider {words}.")
