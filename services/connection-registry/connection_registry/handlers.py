"""connection-registry reacts to nothing: people tell it everything, everybody listens to it."""

from __future__ import annotations

from hub_common.routing import Routes

ROUTES: Routes = {}
