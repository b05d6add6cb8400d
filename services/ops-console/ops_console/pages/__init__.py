"""The console's pages, one module each. This table is all there is: navigation, keys and routes follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter

from hub_common.web import Role
from ops_console.console import Console
from ops_console.pages import (
    audit_page,
    connection_actions,
    connection_mapping,
    connections,
    desk,
    desk_dead,
    desk_doubts,
    oidc_page,
    orders,
    orders_actions,
    orders_address,
    orders_story,
    privacy,
    sign_in,
    static,
    today,
    topics,
    what_if,
)

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
    NavEntry("Orders", "/orders", "o"),
    NavEntry("Desk", "/desk", "d"),
    NavEntry("Topics", "/topics", "l"),
    NavEntry("Connections", "/connections", "c"),
    NavEntry("What-if", "/what-if", "w"),
    NavEntry("Privacy", "/privacy", "p", Role.ADMIN),
    NavEntry("Audit log", "/audit", "a", Role.ADMIN),
)

ROUTERS: tuple[Callable[[Console], APIRouter], ...] = (
    static.router,
    sign_in.router,
    oidc_page.router,
    today.router,
    orders.router,
    orders_story.router,
    orders_actions.router,
    orders_address.router,
    connection_actions.router,
    connection_mapping.router,
    connections.router,
    what_if.router,
    topics.router,
    desk.router,
    desk_dead.router,
    desk_doubts.router,
    privacy.router,
    audit_page.router,
)


def pages(runtime: Runtime) -> Sequence[APIRouter]:
    """All pages of a running console."""
    console = Console.of(runtime)
    console.templates.globals(navigation=NAVIGATION, roles=Role)
    return [make(console) for make in ROUTERS]
