"""What every page works with: runtime, settings, the other services, templates, and who is signed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub_common.web import Problem, Role, authenticates
from ops_console.accounts import Account, parse_accounts
from ops_console.config import ConsoleSettings
from ops_console.services import Services
from ops_console.sessions import Session, find_session, same, set_flash
from ops_console.templates import PageTemplates

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

COOKIE = "hub_session"
SECURE_COOKIE = "__Host-hub_session"
"""With this prefix browsers accept the cookie over https from this host only, so no neighbour can plant one."""
THEME_COOKIE = "hub_theme"
THEMES = ("light", "dark")
SIGN_IN = "/sign-in"


@dataclass
class Console:
    """One running console."""

    runtime: Runtime
    settings: ConsoleSettings
    services: Services
    templates: PageTemplates
    accounts: dict[str, Account] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: Runtime) -> Console:
        """Put together from a service's runtime. Raises `ValueError` for accounts that cannot be read."""
        settings = cast(ConsoleSettings, runtime.settings)
        accounts = parse_accounts(settings.local_accounts.get_secret_value())
        return cls(runtime, settings, Services(settings), PageTemplates(), accounts)

    def secure(self, request: Request) -> bool:
        """Whether people reach the console over https."""
        public = self.settings.public_url
        return (urlsplit(public).scheme if public else request.url.scheme) == "https"

    def cookie(self, request: Request) -> str:
        """Name of the session's cookie."""
        return SECURE_COOKIE if self.secure(request) else COOKIE

    def origin(self, request: Request) -> str:
        """Scheme, host and port under which people reach the console."""
        parts = urlsplit(self.settings.public_url or str(request.base_url))
        return f"{parts.scheme}://{parts.netloc}"

    async def session(self, request: Request) -> Session | None:
        """Who is signed in."""
        token = request.cookies.get(self.cookie(request), "")
        if not token or len(token) > 128:
            return None
        async with self.runtime.pool.acquire() as conn:
            return await find_session(
                conn,  # type: ignore[arg-type]
                token,
                self.runtime.clock.now(),
                self.settings.session_idle_minutes,
            )

    def signed_in(self, role: Role = Role.VIEWER) -> Any:
        """Dependency: a session whose person has at least this role. Leads to the sign-in page when there is none.

        Requests that change something must carry the session's CSRF token (form field or header) from this origin.
        """

        @authenticates
        async def proven(request: Request) -> Session:
            session = await self.session(request)
            if session is None:
                raise _sign_in_first(request)
            if request.method not in ("GET", "HEAD"):
                await self.refuse_foreign(request, session.csrf)
            if not session.user.may(role):
                words = f"This needs the role {role.name.lower()}; yours is {session.user.role.name.lower()}."
                raise Problem("role-too-low", "Not allowed", 403, words)
            return session

        return Depends(proven)

    async def refuse_foreign(self, request: Request, csrf: str) -> None:
        """Raise `Problem` 403 for a change that another site's page sent."""
        origin = request.headers.get("origin")
        if origin is not None and origin != self.origin(request):
            raise Problem("foreign-page", "Refused", 403, "The request came from another site's page.")
        given = request.headers.get("x-csrf-token") or str((await request.form()).get("csrf", ""))
        if not same(given, csrf):
            raise Problem("csrf", "Refused", 403, "The form is too old or not ours: load the page again.")

    def render(
        self,
        request: Request,
        session: Session | None,
        template: str,
        context: dict[str, Any],
        *,
        status: int = 200,
    ) -> Response:
        """A page with its security headers. `context` may not hold HTML."""
        body = self.templates.page(
            template,
            {
                **context,
                "session": session,
                "user": session.user if session else None,
                "csrf": session.csrf if session else "",
                "flash": session.flash if session else None,
                "path": request.url.path,
                "theme": self.theme(request),
                "can_act": self.services.can_act,
                "now": self.runtime.clock.now(),
            },
        )
        return Response(body, status, PAGE_HEADERS, "text/html; charset=utf-8")

    async def page(self, request: Request, session: Session, template: str, context: dict[str, Any]) -> Response:
        """`render` for somebody signed in; the message of the last action is shown once."""
        if session.flash is not None:
            async with self.runtime.pool.acquire() as conn:
                await set_flash(conn, session.key, None)  # type: ignore[arg-type]
        return self.render(request, session, template, context)

    async def back(self, session: Session, to: str, words: str, *, failed: bool = False) -> Response:
        """After an action: go to a page of ours, which says what came of it."""
        async with self.runtime.pool.acquire() as conn:
            await set_flash(conn, session.key, ("failed" if failed else "done", words))  # type: ignore[arg-type]
        return RedirectResponse(own_path(to), 303, PAGE_HEADERS)

    @staticmethod
    def theme(request: Request) -> str:
        """`light`, `dark`, or empty: as the system has it."""
        chosen = request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else ""


PAGE_HEADERS = {
    # Nothing inline, nothing from elsewhere: an order's text that turned out to be a script would not run.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def own_path(path: str) -> str:
    """A path of this console, never another site's address."""
    parts = urlsplit(path)
    clean = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if clean and not parts.netloc and not any(ord(c) < 32 for c in path) else "/"


def _sign_in_first(request: Request) -> Problem:
    if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "text/html"):
        query = f"?{request.url.query}" if request.url.query else ""
        to = f"{SIGN_IN}?next={quote(request.url.path + query, safe='')}"
        return Problem("sign-in", "Sign in", 303, headers={"location": to, **PAGE_HEADERS})
    return Problem("unauthorised", "Not signed in", 401, "The session has ended: load the page and sign in.")
