"""Invoices: a second upload would be a second document."""

from __future__ import annotations

import base64
import json

import pytest

from connector_kit.http import Answer, NotSent
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import UploadInvoice
from connector_manomano.manifest import MANIFEST

from .conftest import World

PDF = b"%PDF-1.7 invented"


def invoice(reference: str, content: bytes = PDF) -> UploadInvoice:
    encoded = base64.b64encode(content).decode()
    return UploadInvoice(order_reference=reference, file_name="invoice.pdf", content_base64=encoded)


async def test_upload_keeps_the_document_id(world: World) -> None:
    reference = world.order(status="SHIPPED")
    [outcome] = await world.connect().upload_invoice([invoice(reference)])
    assert (outcome.state, outcome.answer) == (OutcomeState.DONE, {"document_id": f"{reference}-D1"})
    [call] = world.http.calls
    assert [(part.name, part.content_type) for part in call.parts] == [
        ("file", "application/pdf"),
        ("document_type", None),
    ]
    assert "content-type" not in call.headers
    assert not call.idempotent
    assert world.applied("invoice") == [f"{reference}/document-1"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04"])
async def test_only_pdf_is_sent(world: World, content: bytes) -> None:
    [outcome] = await world.connect().upload_invoice([invoice(world.order(), content)])
    assert outcome.state == OutcomeState.REJECTED
    broken = UploadInvoice(order_reference="M1", file_name="x.pdf", content_base64="%%%")
    [outcome] = await world.connect().upload_invoice([broken])
    assert (outcome.state, world.http.calls) == (OutcomeState.REJECTED, [])


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect", "html_answer"])
async def test_a_doubt_goes_to_an_operator(world: World, fault: str) -> None:
    request = invoice(world.order())
    world.fault(fault, "upload_invoice")
    connection = world.connect()
    [outcome] = await connection.upload_invoice([request])
    assert outcome.state == OutcomeState.UNKNOWN
    assert (await connection.probe_invoice(request)).state == ProbeState.UNDECIDED


async def test_walls_stop_the_rest_and_errors_do_not(world: World) -> None:
    references = world.orders(3)
    connection = world.connect()
    world.fault("rate_limit_gateway", "upload_invoice")
    outcomes = await connection.upload_invoice([invoice(reference) for reference in references])
    assert {(outcome.state, outcome.retry_after) for outcome in outcomes} == {(OutcomeState.RETRY, 7.0)}
    assert len(world.http.calls) == 1
    outcomes = await connection.upload_invoice([invoice("M0"), invoice(references[0])])
    assert [outcome.state for outcome in outcomes] == [OutcomeState.REJECTED, OutcomeState.DONE]
    world.http.before = lambda call: NotSent("breaker open", 5)
    outcomes = await connection.upload_invoice([invoice("M1"), invoice("M2")])
    assert {(outcome.state, outcome.retry_after) for outcome in outcomes} == {(OutcomeState.RETRY, 5)}


async def test_an_invoice_without_content_says_so(world: World) -> None:
    """The content is put in when the call is made; an effect sent without it is a fault of ours, told as such."""
    [outcome] = await world.connect().upload_invoice([UploadInvoice(order_reference="M1", file_name="i.pdf")])
    assert (outcome.state, "is empty" in outcome.reason) == (OutcomeState.REJECTED, True)


async def test_nothing_but_a_person_brings_about_a_second_document(world: World) -> None:
    reference = world.order()
    world.fault("timeout_after_effect", "upload_invoice")
    connection = world.connect()
    [outcome] = await connection.upload_invoice([invoice(reference)])
    assert (outcome.state, outcome.retry_if_not_applied) == (OutcomeState.UNKNOWN, True)
    assert MANIFEST.effect("upload_invoice").on_undecided == "operator"
    assert world.sim.state()["orders"][reference]["documents"] == [f"{reference}-D1"]


async def test_success_without_an_id_is_unknown(world: World) -> None:
    for body in ({}, {"content": None}, {"content": {"document_id": None}}, []):
        world.http.before = lambda call, body=body: Answer(200, {}, json.dumps(body).encode())
        [outcome] = await world.connect().upload_invoice([invoice("M1")])
        assert outcome.state == OutcomeState.UNKNOWN
