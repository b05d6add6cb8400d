"""Cases of fetching invoices from shops: none yet is not an error, and an error or a page is not an invoice."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from connector_kit.aftersales import FetchedInvoice, FetchInvoice
from connector_kit.conformance.base import CaseBase, about
from connector_kit.conformance.listing import ERRORS
from connector_kit.conformance.world import World
from connector_kit.http import Answer, Call, CallError
from connector_kit.manifest import Capability
from connector_kit.testing.interference import Trouble

NO_INVOICES: Mapping[str, tuple[Trouble, Answer | Callable[[Call], Answer] | None]] = {
    **ERRORS,
    "empty_file": (Trouble.ANSWER_INSTEAD, Answer(200, {"content-type": "application/pdf"}, b"")),
    "no_bytes": (Trouble.ANSWER_INSTEAD, Answer(200, {}, b"")),
    "http_403": (Trouble.ANSWER_INSTEAD, Answer(403, {"content-type": "text/html"}, b"<h1>Please sign in</h1>")),
    "http_500_page": (Trouble.ANSWER_INSTEAD, Answer(500, {"content-type": "text/html"}, b"<h1>Error</h1>")),
}


class InvoiceCases(CaseBase):
    """Capability `shop_invoices`."""

    @about(Capability.SHOP_INVOICES)
    async def test_invoice_is_fetched_whole(self, world: World) -> None:
        """Name, type and bytes; the same ones when it is asked for again."""
        request = await _asked(world, there=True)
        found = await world.connection.fetch_invoice(request)
        assert isinstance(found, FetchedInvoice), f"an invoice that is there was fetched as {found!r}"
        assert found.file_name.strip(), "a file without a name"
        assert not {"/", "\\", "\x00"} & set(found.file_name), "a name that could leave its folder"
        assert "/" in found.content_type, f"content type {found.content_type!r}"
        assert "html" not in found.content_type, "a page was taken for an invoice"
        assert found.content, "an invoice without bytes"
        assert await world.connection.fetch_invoice(request) == found, "asked again, and it is another one"

    @about(Capability.SHOP_INVOICES)
    async def test_no_invoice_yet_is_none(self, world: World) -> None:
        """The hub asks again later; an error would alarm somebody each time."""
        request = await _asked(world, there=False)
        found: list[FetchedInvoice | None] = []

        async def fetch() -> None:
            found.append(await world.connection.fetch_invoice(request))

        error = await world.error_of(fetch())
        assert error is None, f"there is no invoice yet, and fetch_invoice raised {error!r}"
        assert found == [None], "there is no invoice yet, and something was fetched"

    @about(Capability.SHOP_INVOICES)
    @pytest.mark.parametrize("what", NO_INVOICES)
    async def test_failed_answer_is_neither_an_invoice_nor_none(self, world: World, what: str) -> None:
        """A login page is never sent to a buyer, and a refused key is never "none yet"."""
        request = await _asked(world, there=True)
        trouble, answer = NO_INVOICES[what]
        world.trouble(trouble, answer=answer)
        found: list[FetchedInvoice | None] = []

        async def fetch() -> None:
            found.append(await world.connection.fetch_invoice(request))

        error = await world.error_of(fetch())
        assert error is not None, f"{what}: was taken for {'none yet' if found == [None] else 'an invoice'}"
        assert isinstance(error, CallError), f"{what}: raised {error!r}"


async def _asked(world: World, *, there: bool) -> FetchInvoice:
    if world.subject.invoice is None:
        pytest.fail(
            "the manifest declares shop_invoices: say in Subject.invoice how the simulated shop comes to have one, "
            "or in not_applicable['*[shop_invoices]'] why not"
        )
    request = await world.subject.invoice(world, there)
    world.forget()
    return request
