"""Derived identifiers never change: a changed one would make every known order look new and be answered twice."""

from __future__ import annotations

from uuid import UUID

import pytest

from hub_contracts import ids

A, B = UUID(int=1), UUID(int=2)

KNOWN = [
    (ids.order_id_for(A, "M-1"), "order"),
    (ids.route_id_for(A, B, "lyon"), "route"),
    (ids.parcel_id_for(A, B, "P-1"), "parcel"),
    (ids.return_id_for(A, B, "R-1"), "return"),
    (ids.refund_id_for(A, B), "refund"),
    (ids.cancellation_id_for(A, B, "C-1"), "cancellation"),
    (ids.parked_id_for("order-router", "line", "L-1", "sku_unlinked"), "parked"),
    (ids.effect_id_for("accept:1"), "effect"),
]
LITERALS = {
    "order": "8d0d86e5-6ae8-5fa2-8eb7-690fceefd516",
    "route": "b20269f2-556c-5857-8424-bf9a45ca5c1b",
    "parcel": "2bae110a-a65b-54af-9b7c-a451a188ec39",
    "return": "1ae202e2-6891-5680-abd3-35dad374b9c8",
    "refund": "556bef4b-2ea9-517e-b821-51c89787292e",
    "cancellation": "367c0141-f198-581b-a80b-0bd8b2b348ec",
    "parked": "50f16fe9-f188-5629-bbe1-5ac31b14332d",
    "effect": "b3983dd7-4535-5189-a2fd-096e36054db0",
}


@pytest.mark.parametrize(("derived", "kind"), KNOWN, ids=[kind for _, kind in KNOWN])
def test_identifiers_are_what_they_always_were(derived: UUID, kind: str) -> None:
    assert str(derived) == LITERALS[kind]


def test_the_same_parts_of_another_kind_are_another_identifier() -> None:
    found = [
        ids.parcel_id_for(A, B, "1"),
        ids.return_id_for(A, B, "1"),
        ids.cancellation_id_for(A, B, "1"),
        ids.route_id_for(A, B, "1"),
    ]
    assert len(set(found)) == len(found)


def test_parts_do_not_run_into_each_other() -> None:
    assert ids.parked_id_for("a", "bc", "d", "e") != ids.parked_id_for("ab", "c", "d", "e")


def test_no_warehouse_is_the_same_as_an_empty_name() -> None:
    assert ids.route_id_for(A, B, None) == ids.route_id_for(A, B, "")
