"""The entry point: one object that makes connections to Lantern Bay, and its simulator."""

from __future__ import annotations

from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.simulator import Simulator

from connector_lantern_bay.accept import Answers
from connector_lantern_bay.manifest import MANIFEST
from connector_lantern_bay.notices import Notices
from connector_lantern_bay.refund import GivesBack
from connector_lantern_bay.ship import Ships
from connector_lantern_bay.stock import Stock


class Connection(Answers, Ships, GivesBack, Stock, Notices):
    """One account, with every capability of the manifest."""


class Connector:
    """What the entry point names."""

    manifest = MANIFEST

    def connect(self, context: ConnectionContext) -> Connection:
        """A connection. Raises `FieldErrors` when its settings break a rule."""
        return Connection(context)

    def build_sandbox(self, options: SandboxOptions) -> Simulator:
        """The simulator, imported late: a production image may leave it out."""
        from connector_lantern_bay.sandbox.simulator import Sandbox

        return Sandbox(options)


CONNECTOR = Connector()
