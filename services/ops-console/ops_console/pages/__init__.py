"""The console's pages, one module each. This table is all there is: navigation, keys and routes follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter

from hub_common.web import Role
from ops_console.console import Console
from ops_console.pages import audit_page, oidc_page, sign_in, static, today

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One entry of the navigation; `key` is pressed after `g`."""

    label: str
    path: str
    key: str
    role: Role = Role.VIEWER


NAVIGATION = (
    NavEntry("Today", "/", "t"),
    NavEntry("Audit log", "/audit", "a", Role.ADMIN),
)

ROUTERS: tuple[Callable[[Console], APIRouter], ...] = (
    static.router,
    sign_in.router,
    oidc_page.router,
    today.router,
    audit_page.router,
)


def pages(runtime: Runtime) -> Sequence[APIRouter]:
    """All pages of a running console."""
    console = Console.of(runtime)
    console.templates.globals(navigation=NAVIGATION)
    return [make(console) for make in ROUTERS]
