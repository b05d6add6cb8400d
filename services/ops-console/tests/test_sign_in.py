"""Signing in, sessions, roles, and pages of other sites that would act in a person's name."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPMessage
from typing import Any

import pytest

from hub_common.testing import Harness
from hub_common.web import Role
from ops_console.accounts import User, hash_password, parse_accounts, password_fits, user_of_claims
from ops_console.audit import audited
from ops_console.console import own_path
from ops_console.main import SPEC

PASSWORD = "correct-horse-battery"
HASH = hash_password(PASSWORD)
ACCOUNTS = f"ada:admin:*:{HASH} ole:operator:acme|other:{HASH} vic:viewer:acme:{HASH} eva:admin:acme:{HASH}"


@dataclass
class Answer:
    status: int
    headers: HTTPMessage
    body: str


@dataclass
class Browser:
    """A browser without scripts: keeps its cookies, does not follow redirects."""

    base: str
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Answer:
        return await asyncio.to_thread(self._send, path, None, headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        return await asyncio.to_thread(self._send, path, form, headers)

    def _send(self, path: str, form: dict[str, str] | None, headers: dict[str, str]) -> Answer:
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(self.base + path, data=data)  # noqa: S310  loopback only
        request.add_header("accept", "text/html")
        if self.cookies:
            request.add_header("cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items()))
        for name, value in headers.items():
            request.add_header(name, value)
        opener = urllib.request.build_opener(_Stay)
        try:
            with opener.open(request, timeout=20) as answer:
                found = Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            found = Answer(error.code, error.headers, error.read().decode())
        for text in found.headers.get_all("set-cookie") or []:
            name, _, value = text.partition(";")[0].partition("=")
            self.cookies[name] = value
        return found

    async def sign_in(self, login: str, password: str = PASSWORD) -> Answer:
        return await self.post("/sign-in", {"login": login, "password": password, "next": "/"})

    async def csrf(self) -> str:
        found = re.search(r'name="csrf" content="([0-9a-f]+)"', (await self.get("/")).body)
        assert found is not None
        return found[1]


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database, local_accounts=ACCOUNTS) as running:
        yield running


@pytest.fixture
async def browser(harness: Harness) -> Browser:
    return Browser(await harness.serve())


async def test_a_stranger_is_led_to_the_sign_in_page_and_back(browser: Browser) -> None:
    away = await browser.get("/?x=1")
    assert (away.status, away.headers["location"]) == (303, "/sign-in?next=%2F%3Fx%3D1")
    assert (await browser.get("/", accept="application/json")).status == 401
    form = await browser.get("/sign-in?next=/")
    assert form.status == 200
    assert "script-src 'self'" in form.headers["content-security-policy"]
    signed = await browser.sign_in("ada")
    assert (signed.status, signed.headers["location"]) == (303, "/")
    cookie = str(signed.headers["set-cookie"]).lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "Today" in (await browser.get("/")).body


async def test_wrong_passwords_and_unknown_logins_read_the_same_and_end_guessing(
    browser: Browser, harness: Harness
) -> None:
    wrong, unknown = await browser.sign_in("ada", "no"), await browser.sign_in("nobody", "no")
    assert (wrong.status, unknown.status) == (401, 401)
    assert wrong.body == unknown.body
    for _ in range(9):
        await browser.sign_in("ada", "no")
    assert (await browser.sign_in("ada")).status == 429, "the right password, too late"
    assert (await browser.sign_in("ole")).status == 303, "others are not held up"
    harness.clock.advance(16 * 60)  # type: ignore[attr-defined]
    assert (await browser.sign_in("ada")).status == 303


async def test_nobody_is_signed_in_by_another_sites_page(browser: Browser, harness: Harness) -> None:
    form = {"login": "ada", "password": PASSWORD, "next": "/"}
    assert (await browser.post("/sign-in", form, origin="https://elsewhere.example")).status == 403
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM sessions") == 0
    assert (await browser.post("/sign-in", form, origin=browser.base)).status == 303


async def test_the_audit_log_shows_an_admin_the_own_tenants_only(browser: Browser, harness: Harness) -> None:
    for tenant in ("acme", "other", ""):
        async with audited(harness.runtime, User("ole", Role.OPERATOR), f"did_{tenant}", "it", tenant=tenant):
            pass
    await browser.sign_in("ada")
    everything = (await browser.get("/audit")).body
    assert all(words in everything for words in ("did acme", "did other", "sign in"))
    bound = Browser(browser.base)
    await bound.sign_in("eva")
    own = (await bound.get("/audit")).body
    assert "did acme" in own
    assert "did other" not in own
    assert "sign in" not in own.partition("<tbody>")[2]


async def test_changes_need_the_sessions_token_and_this_origin(browser: Browser) -> None:
    await browser.sign_in("vic")
    form = {"choice": "dark", "back": "/"}
    assert (await browser.post("/theme", form)).status == 403
    assert (await browser.post("/theme", form | {"csrf": "0" * 64})).status == 403
    token = await browser.csrf()
    assert (await browser.post("/theme", form | {"csrf": token}, origin="https://elsewhere.example")).status == 403
    assert (await browser.post("/theme", form | {"csrf": token}, origin=browser.base)).status == 303
    assert 'data-theme="dark"' in (await browser.get("/")).body


async def test_a_session_ends_when_it_is_idle_too_old_or_signed_out(browser: Browser, harness: Harness) -> None:
    clock: Any = harness.clock
    await browser.sign_in("ada")
    clock.advance(timedelta(hours=7).total_seconds())
    assert (await browser.get("/")).status == 200
    clock.advance(timedelta(hours=9).total_seconds())
    assert (await browser.get("/")).status == 303, "idle for more than a working day"
    await browser.sign_in("ada")
    for _ in range(4):
        clock.advance(timedelta(hours=7).total_seconds())
        last = await browser.get("/")
    assert last.status == 303, "older than a day"
    await browser.sign_in("ada")
    stolen = dict(browser.cookies)
    assert (await browser.post("/sign-out", {"csrf": await browser.csrf()})).status == 303
    browser.cookies = stolen
    assert (await browser.get("/")).status == 303


async def test_roles_and_the_audit_log(browser: Browser, harness: Harness) -> None:
    await browser.sign_in("vic")
    refused = await browser.get("/audit")
    assert (refused.status, "role admin" in refused.body) == (403, True)
    await browser.sign_in("ada")
    shown = await browser.get("/audit")
    assert shown.status == 200
    assert shown.body.count("sign in") >= 2
    rows = await harness.runtime.pool.fetch("SELECT session_key, login FROM sessions")
    assert all(browser.cookies["hub_session"].encode() not in row["session_key"] for row in rows)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/orders?q=1", True),
        ("//evil.example", False),
        ("///evil.example", False),
        ("https://evil.example", False),
        ("/\\evil.example", False),
        ("/a\nb", False),
    ],
)
def test_only_paths_of_the_console_are_gone_to(path: str, kept: bool) -> None:
    assert own_path(path) == (path if kept else "/")


@pytest.mark.parametrize(
    "setting",
    ["ada:admin:*", f"ada:root:*:{HASH}", f"ada:admin:*|x:{HASH}", f"a:viewer::{HASH}", "ada:admin:*:plain"],
    ids=["no hash", "unknown role", "all and one", "no tenant", "plain password"],
)
def test_accounts_that_cannot_be_read_are_refused_without_being_quoted(setting: str) -> None:
    with pytest.raises(ValueError, match="entry 1") as refused:
        parse_accounts(setting)
    assert HASH not in str(refused.value)


def test_passwords() -> None:
    assert password_fits(PASSWORD, HASH)
    assert not password_fits(PASSWORD + "x", HASH)
    with pytest.raises(ValueError, match="12 to 256"):
        hash_password("short")


def test_groups_make_a_role_and_tenants() -> None:
    roles = {"hub-admins": "admin", "acme-ops": "operator:acme", "other-see": "viewer:other"}
    assert user_of_claims(["nothing"], roles, "x") is None
    both = user_of_claims(["acme-ops", "other-see"], roles, "x")
    assert both is not None
    assert (both.role, both.tenants) == (Role.OPERATOR, ("acme", "other"))
    everything = user_of_claims(["acme-ops", "hub-admins"], roles, "x")
    assert everything is not None
    assert (everything.role, everything.tenants) == (Role.ADMIN, None)
