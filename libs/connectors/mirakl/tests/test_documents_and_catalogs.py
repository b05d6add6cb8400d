"""Invoices, carriers, reasons, and the check of a key."""

from __future__ import annotations

import base64

import pytest

from connector_kit.http import Answer, BadAnswer, Call
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import UploadInvoice
from connector_mirakl.client import Unavailable
from connector_mirakl.documents import read_result

from .stage import Stage

PDF = base64.b64encode(b"%PDF-1.7 invented").decode()


def invoice(reference: str, name: str = "F2025-00042.pdf", content: str = PDF) -> UploadInvoice:
    return UploadInvoice(order_reference=reference, file_name=name, content_base64=content)


async def test_an_invoice_is_put_at_the_order(stage: Stage) -> None:
    order = stage.shipping_order()
    request = invoice(order.id)
    assert (await stage.connection.probe_invoice(request)).state is ProbeState.NOT_APPLIED
    [outcome] = await stage.connection.upload_invoice([request])
    assert outcome.state is OutcomeState.DONE
    [document] = stage.simulator.world.documents
    assert (document.file_name, document.type_code, document.size) == ("F2025-00042.pdf", "CUSTOMER_INVOICE", 17)
    probe = await stage.connection.probe_invoice(request)
    assert probe.state is ProbeState.APPLIED
    assert probe.answer == {"document_reference": str(document.id)}


async def test_a_200_that_lists_errors_is_rejected() -> None:
    stage = Stage(settings={"invoice_type_code": "NO_SUCH_TYPE"})
    [outcome] = await stage.connection.upload_invoice([invoice(stage.shipping_order().id)])
    assert outcome.state is OutcomeState.REJECTED
    assert outcome.answer["codes"] == ["valid_order_document.type"]
    assert stage.applied("invoice") == []


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
async def test_a_lost_answer_is_found(stage: Stage, fault: str) -> None:
    request = invoice(stage.shipping_order().id)
    stage.fault(fault, "upload_invoice")
    assert (await stage.connection.upload_invoice([request]))[0].state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_invoice(request)).state is ProbeState.APPLIED


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("facture-été.pdf", PDF),
        ("invoice.exe", PDF),
        ("invoice", PDF),
        (" ", PDF),
        ("../a.pdf", PDF),
        ('a".pdf', PDF),
        ("a.pdf", "not base64!"),
    ],
)
async def test_what_mirakl_would_refuse_is_not_sent(stage: Stage, name: str, content: str) -> None:
    [outcome] = await stage.connection.upload_invoice([invoice("X", name, content)])
    assert outcome.state is OutcomeState.REJECTED
    assert stage.http.calls == []


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"errors_count": 0, "order_documents": []}, "done"),
        ({"order_documents": []}, "done"),
        ({}, "unknown"),
        ({"errors_count": 1, "order_documents": []}, "unknown"),
        ({"errors_count": 1, "order_documents": [{"input": {"file_name": "b.pdf"}, "errors": []}]}, "unknown"),
        ({"errors_count": 1, "order_documents": [{"input": {"file_name": "a.pdf"}, "errors": []}]}, "rejected"),
    ],
)
def test_how_an_upload_is_read(told: dict[str, object], state: str) -> None:
    assert read_result(told, "a.pdf").state.value == state


async def test_carriers_have_codes_and_names(stage: Stage) -> None:
    carriers = await stage.connection.list_carriers()
    assert ("DPD", "DPD") in {(carrier.code, carrier.name) for carrier in carriers}
    assert all("{trackingId}" in (carrier.tracking_url or "") for carrier in carriers)


async def test_only_reasons_that_a_seller_may_give_are_listed(stage: Stage) -> None:
    reasons = await stage.connection.list_reasons()
    assert {(reason.code, reason.kind) for reason in reasons} == {
        *{(code, "refund") for code in ("15", "16", "17", "18", "19")},
        *{(code, "cancellation") for code in ("34", "35")},
        ("RETURN_REJECTION_WINDOW_CLOSED", "return_rejection"),
        ("RETURN_NON_COMPLIANT_DAMAGED_PRODUCT", "return_non_compliant"),
        ("50", "message"),
    }


async def test_documents_are_listed_and_taken_away(stage: Stage) -> None:
    order, other = stage.shipping_order(), stage.shipping_order()
    assert await stage.connection.list_documents(order.id) == []
    await stage.connection.upload_invoice([invoice(order.id), invoice(other.id)])
    [found] = await stage.connection.list_documents(order.id)
    assert (found.order_reference, found.file_name, found.type_code) == (
        order.id,
        "F2025-00042.pdf",
        "CUSTOMER_INVOICE",
    )
    assert (found.size_bytes, found.uploaded_at) == (17, stage.clock.now())
    for _ in range(2):
        outcome = await stage.connection.remove_document(found.document_reference)
        assert outcome.state is OutcomeState.DONE
    assert await stage.connection.list_documents(order.id) == []
    assert len(await stage.connection.list_documents(other.id)) == 1
    assert stage.applied("remove_document") == [f"{order.id}/F2025-00042.pdf"]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("timeout_after_effect", OutcomeState.RETRY),
        ("error_500_after_effect", OutcomeState.RETRY),
        ("rate_limit", OutcomeState.RETRY),
        ("html_answer", OutcomeState.RETRY),
    ],
)
async def test_an_unclear_removal_is_repeated(stage: Stage, fault: str, state: OutcomeState) -> None:
    order = stage.shipping_order()
    await stage.connection.upload_invoice([invoice(order.id)])
    [found] = await stage.connection.list_documents(order.id)
    stage.fault(fault, "remove_document", times=1)
    assert (await stage.connection.remove_document(found.document_reference)).state is state
    assert (await stage.connection.remove_document(found.document_reference)).state is OutcomeState.DONE


async def test_documents_of_another_order_are_not_this_ones(stage: Stage) -> None:
    told = b'{"order_documents": [{"id": 1, "order_id": "OTHER", "file_name": "F2025-00042.pdf", "type": "X"}]}'

    class Outside:
        async def call(self, call: Call) -> Answer:
            return Answer(200, {}, told)

    connection = stage.connect(http=Outside())
    assert await connection.list_documents("MINE") == []
    assert (await connection.probe_invoice(invoice("MINE"))).state is ProbeState.NOT_APPLIED
    assert len(await connection.list_documents("OTHER")) == 1


async def test_a_document_is_named_by_its_number(stage: Stage) -> None:
    assert (await stage.connection.remove_document("../1")).state is OutcomeState.REJECTED
    assert stage.http.calls == []


@pytest.mark.parametrize("operation", ["list_carriers", "list_reasons"])
async def test_a_failed_listing_raises_and_is_never_an_empty_list(stage: Stage, operation: str) -> None:
    read = getattr(stage.connection, operation)
    for fault, error in (("error_500_before_effect", Unavailable), ("html_answer", BadAnswer)):
        stage.fault(fault, operation)
        with pytest.raises(error):
            await read()


async def test_a_good_key_is_proved_by_the_account(stage: Stage) -> None:
    result = await stage.connection.verify()
    assert result.ok
    assert "shop 2042" in result.detail
    assert "OPEN" in result.detail


async def test_a_wrong_key_is_said_to_be_refused() -> None:
    result = await Stage(key="wrong").connection.verify()
    assert not result.ok
    assert "refused (HTTP 401)" in result.detail


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("html_answer", "does not answer like Mirakl"),
        ("error_500_before_effect", "cannot be read"),
        ("rate_limit", "HTTP 429"),
        ("timeout_after_effect", "cannot be reached"),
    ],
)
async def test_what_proves_nothing_is_not_ok(stage: Stage, fault: str, words: str) -> None:
    stage.fault(fault)
    result = await stage.connection.verify()
    assert not result.ok
    assert words in result.detail


async def test_an_unreachable_host_is_not_ok(stage: Stage) -> None:
    stage.http.refuse = lambda call: True
    assert not (await stage.connection.verify()).ok


async def test_a_key_of_another_shop_is_not_ok() -> None:
    stage = Stage(settings={"shop_id": "9"})
    assert not (await stage.connection.verify()).ok
