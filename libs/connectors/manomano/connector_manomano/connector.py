"""The entry point: one object that makes connections to ManoMano and the simulator."""

from __future__ import annotations

from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.simulator import Simulator
from connector_manomano.accept import Answers
from connector_manomano.invoice import Invoices
from connector_manomano.manifest import MANIFEST
from connector_manomano.offer_publishing import Publishes
from connector_manomano.offer_release import Releases
from connector_manomano.refund import GivesBack
from connector_manomano.ship import Ships


class ManoMano(Answers, Ships, GivesBack, Publishes, Releases, Invoices):
    """One connection: one contract of one seller, with every capability of the manifest."""


class ManoManoConnector:
    """What the entry point names."""

    manifest = MANIFEST

    def connect(self, context: ConnectionContext) -> ManoMano:
        """A connection. Raises `FieldErrors` when its settings break a rule."""
        return ManoMano(context)

    def build_sandbox(self, options: SandboxOptions) -> Simulator:
        """The simulator. Imported late: a production image may leave it out."""
        from connector_manomano.sandbox.simulator import ManoManoSimulator

        return ManoManoSimulator(options)


CONNECTOR = ManoManoConnector()
