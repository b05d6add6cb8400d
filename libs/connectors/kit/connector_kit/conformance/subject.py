"""What a connector tells the conformance suite about itself: how to set it up, and what does not apply, and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector_kit.aftersales import FetchInvoice
from connector_kit.capabilities import ConnectorFactory
from connector_kit.testing.clock import START
from hub_contracts.orders import Environment

if TYPE_CHECKING:
    from connector_kit.conformance.world import World

Builder = Callable[["World", int], Awaitable[Sequence[Any]]]
"""Makes so many requests of one effect kind, each about something of its own."""


@dataclass(frozen=True)
class Held:
    """One thing that the simulated outside holds, by the names that the connector must give it."""

    reference: str
    """Of the return, thread, offer (its SKU), document or order."""
    order_reference: str | None = None
    """The order that it is about; None: not compared."""
    parts: int | None = None
    """How many lines the return has, or messages the thread; None: not counted."""


FactMaker = Callable[["World", int], Awaitable[Sequence[Held]]]
"""Puts so many things of one reading capability into the simulated outside, without going through the connector."""
InvoiceMaker = Callable[["World", bool], Awaitable[FetchInvoice]]
"""Lets the simulated shop hold an order, with its invoice or without one yet, and asks for that invoice."""


@dataclass(frozen=True)
class PushedNotices:
    """How the outside would push notices at this moment."""

    body: Callable[[World, Sequence[str]], bytes]
    """A notice about these orders."""
    headers: Callable[[World, bytes], Mapping[str, str]]
    """What travels with a body, its proof included; names in lower case."""


@dataclass(frozen=True)
class FaultNames:
    """The simulator's own switches, by what they do. None = the simulator has no such switch.

    Lost answers, 429, 500, pages of proxies and refused keys are made by the suite itself on the wire; a switch named
    here is tried as well, because demo and fault tests use it.
    """

    rate_limited: str | None = None
    """Answers 429, nothing is applied."""
    timeout_after: str | None = None
    """Never answers, the effect took place."""
    timeout_before: str | None = None
    error_after: str | None = None
    """Answers 5xx, the effect took place."""
    error_before: str | None = None
    html: str | None = None
    """A page of a proxy; nothing is applied."""
    page_shift: str | None = None
    """Orders leave or move in the listing between two pages."""
    unknown_status: str | None = None
    missing_item: str | None = None
    """Mixed answer: all applied, the first item is left out."""
    failed_item: str | None = None
    """Mixed answer: the first item failed and was not applied."""
    string_amounts: str | None = None
    null_address: str | None = None
    export_failed: str | None = None
    """An order export ends as failed."""


@dataclass(frozen=True)
class Subject:
    """One connector under test. `credentials` are canaries: none of them may ever be seen in a text."""

    connector: ConnectorFactory
    credentials: Mapping[str, str]
    """Made up, at least 12 characters each; `sandbox` must make the simulator take them."""
    folder: Path | None = None
    """The connector's folder, where MATURITY.toml lies; None: maturity is not asked for."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The connection's connector settings."""
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    """The simulator's settings (`SandboxOptions.settings`)."""
    faults: FaultNames = FaultNames()
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"new": {}})
    """Options of `create_orders` per stage: `new` (may be answered), `to_ship`, `shipped` (may be refunded), and
    `cancellable`."""
    many: int = 25
    """Orders that fill at least three pages."""
    created_at_option: str | None = "created_at"
    """Option of `create_orders` that fixes when the order was made."""
    status_option: str | None = "status"
    """Option of `create_orders` that fixes the marketplace's status word."""
    carrier: tuple[str | None, str] = (None, "DPD")
    """Code and name of a carrier that the simulator takes."""
    refund_reason: str = "OTHER"
    cancel_reason: str = "OTHER"
    operations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Effect kind → operations that apply it, where it is not just the one of the manifest's effect policy."""
    fault_operations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Effect kind → operations as the simulator's fault rules name them, where those differ from the budgets'."""
    recorded: Mapping[str, str] = field(default_factory=dict)
    """Effect kind → kind in the simulator's record, where it is not the usual one."""
    targets: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    """Effect kind → what the simulator's record names for a request, where it is not order, offer or route."""
    requests: Mapping[str, Builder] = field(default_factory=dict)
    """Effect kind → how to make requests, for kinds that the suite cannot make up by itself."""
    facts: Mapping[str, FactMaker] = field(default_factory=dict)
    """Reading (`returns`, `messages`, `offers`, `documents`) → how such things come to be at the simulated outside.
    Threads are begun by the buyer; documents are all of one order."""
    many_of: Mapping[str, int] = field(default_factory=dict)
    """Reading → how many fill at least three pages, where it is not `many`. For `documents` it says that they come in
    pages at all."""
    one_page: Mapping[str, str] = field(default_factory=dict)
    """Reading → why it is never cut into pages."""
    notice: PushedNotices | None = None
    """Needed with the capability `notices`."""
    invoice: InvoiceMaker | None = None
    """Needed with the capability `shop_invoices`."""
    undecided: Mapping[str, str] = field(default_factory=dict)
    """Effect kind → why its probe cannot see whether it was applied. The probe must then say UNDECIDED."""
    repeat_harmless: Mapping[str, str] = field(default_factory=dict)
    """Effect kind → why sending it again changes nothing (absolute values are known to the suite). Then doubt may
    end in RETRY, and the suite sends again and counts."""
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    """Case → why it makes no sense here, shown as the reason of the skip. A case is `test_name`, `test_name[kind]`, one
    variant as pytest prints it, or `*[name]` for all cases of an effect kind or of a reading capability."""
    secrets: Sequence[str] = ()
    """More texts that may never be seen (a token that the simulator hands out)."""
    environment: Environment = Environment.SANDBOX
    start: datetime = START
