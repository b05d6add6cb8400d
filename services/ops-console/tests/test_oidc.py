"""Signing in at an identity provider that is real in what matters: codes bound to a challenge, signed tokens."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI, Form, HTTPException

from hub_common.testing import Harness
from hub_common.web import WebServer
from ops_console.main import SPEC

from .test_sign_in import Answer, Browser

CLIENT, SECRET = "hub-console", "of-the-client"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FORGED = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """An identity provider. `claims` changes what it says, `signs_with` the key it uses."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.signs_with: Any = PRIVATE
        self.algorithm = "RS256"
        self.url = ""
        self.calls_itself = ""
        """Another name than its address."""
        self.key_id = "one"
        self._codes: dict[str, dict[str, str]] = {}

    def app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.get("/.well-known/openid-configuration")
        async def addresses() -> dict[str, str]:
            ends = {f"{name}_endpoint": f"{self.url}/{name}" for name in ("authorization", "token")}
            return {"issuer": self.calls_itself or self.url, "jwks_uri": f"{self.url}/keys", **ends}

        @app.get("/keys")
        async def keys() -> dict[str, Any]:
            public = jwt.algorithms.RSAAlgorithm.to_jwk(PRIVATE.public_key(), as_dict=True)
            return {"keys": [public | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]}

        @app.post("/token")
        async def token(
            code: str = Form(), code_verifier: str = Form(), client_secret: str = Form(), redirect_uri: str = Form()
        ) -> dict[str, str]:
            asked = self._codes.pop(code, None)
            digest = hashlib.sha256(code_verifier.encode()).digest()
            fits = asked and asked["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if not asked or not fits or client_secret != SECRET or redirect_uri != asked["redirect_uri"]:
                raise HTTPException(400, "invalid_grant")
            now = int(time.time())
            said = {"iss": self.url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
            said |= {"email": "ada@example.com", "groups": ["ops"]} | self.claims
            key = "x" * 40 if self.algorithm == "HS256" else self.signs_with
            return {"id_token": jwt.encode(said, key, algorithm=self.algorithm, headers={"kid": self.key_id})}

        return app

    def sign_in_there(self, address: str) -> str:
        """What a person does at the provider; returns the path that the browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}-{asked['state'][:4]}"
        self._codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?code={code}&state={asked['state']}"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    server = WebServer(made.app(), "127.0.0.1", 0)
    await server.start()
    made.url = server.url
    yield made
    await server.stop()


@pytest.fixture
async def harness(database: str, issuer: Issuer) -> AsyncIterator[Harness]:
    settings = {
        "oidc_issuer": issuer.url,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SECRET,
        "oidc_roles": {"ops": "operator:acme"},
    }
    async with Harness(SPEC, database, **settings) as running:
        yield running


async def there_and_back(browser: Browser, issuer: Issuer) -> Answer:
    started = await browser.get("/oidc/start?next=/?a=b")
    assert started.status == 303, started.body[-900:]
    return await browser.get(issuer.sign_in_there(started.headers["location"]))


@pytest.fixture
async def browser(harness: Harness) -> Browser:
    return Browser(await harness.serve())


async def test_groups_decide_what_a_person_may_do(browser: Browser, issuer: Issuer, harness: Harness) -> None:
    assert "company account" in (await browser.get("/sign-in")).body
    back = await there_and_back(browser, issuer)
    assert (back.status, back.headers["location"]) == (303, "/?a=b")
    page = await browser.get("/")
    assert "ada@example.com" in page.body
    row = await harness.runtime.pool.fetchrow("SELECT role, tenants FROM sessions")
    assert row is not None
    assert (row["role"], row["tenants"]) == ("operator", ["acme"])


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": ["others"]},
        {"groups": []},
        {"aud": "another-client"},
        {"iss": "https://elsewhere.example"},
        {"nonce": "of another sign-in"},
        {"exp": 1},
    ],
    ids=str,
)
async def test_what_does_not_fit_opens_no_session(
    browser: Browser, issuer: Issuer, harness: Harness, claims: dict[str, Any]
) -> None:
    issuer.claims = claims
    assert (await there_and_back(browser, issuer)).status == 403
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM sessions") == 0


@pytest.mark.parametrize("how", ["key", "secret"])
async def test_a_forged_token_opens_no_session(browser: Browser, issuer: Issuer, how: str) -> None:
    if how == "key":
        issuer.signs_with = FORGED
    else:
        issuer.algorithm = "HS256"
    assert (await there_and_back(browser, issuer)).status == 403


async def test_only_the_browser_that_began_may_end_it(browser: Browser, issuer: Issuer) -> None:
    started = await browser.get("/oidc/start")
    back = issuer.sign_in_there(started.headers["location"])
    assert (await Browser(browser.base).get(back)).status == 403, "a browser that began nothing"
    other = Browser(browser.base)
    await other.get("/oidc/start")
    assert (await other.get(back)).status == 403, "a browser that began something else"
    assert (await browser.get(back)).status == 303
    assert (await browser.get(back)).status == 403, "a code works once"


async def test_a_provider_of_another_name_is_not_believed(browser: Browser, issuer: Issuer) -> None:
    issuer.calls_itself = "https://elsewhere.example"
    assert (await browser.get("/oidc/start")).status == 502


async def test_a_new_key_of_the_provider_is_fetched_when_it_is_met(browser: Browser, issuer: Issuer) -> None:
    assert (await there_and_back(browser, issuer)).status == 303
    issuer.key_id = "two"
    assert (await there_and_back(Browser(browser.base), issuer)).status == 303
