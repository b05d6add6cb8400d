"""Identifiers that are derived, so that the same thing seen twice gets the same identifier and cannot exist twice."""

from __future__ import annotations

from uuid import UUID, uuid5

HUB = UUID("6f1d1a52-6b0e-5a0c-9d3e-3a3c1f7b9e10")
"""Namespace of all derived identifiers. Changing it would make every known order look new."""


def _derive(kind: str, *parts: object) -> UUID:
    return uuid5(HUB, "\x1f".join((kind, *(str(part) for part in parts))))


def order_id_for(connection_id: UUID, marketplace_reference: str) -> UUID:
    """The order of this reference at this connection."""
    return _derive("order", connection_id, marketplace_reference)


def route_id_for(order_id: UUID, shop_connection_id: UUID, warehouse: str | None) -> UUID:
    """The route of an order to a shop and warehouse."""
    return _derive("route", order_id, shop_connection_id, warehouse or "")


def parcel_id_for(order_id: UUID, shop_connection_id: UUID, shop_parcel_reference: str) -> UUID:
    """The parcel that a shop calls `shop_parcel_reference`."""
    return _derive("parcel", order_id, shop_connection_id, shop_parcel_reference)


def return_id_for(order_id: UUID, shop_connection_id: UUID, shop_return_reference: str) -> UUID:
    """The return that a shop calls `shop_return_reference`."""
    return _derive("return", order_id, shop_connection_id, shop_return_reference)


def refund_id_for(order_id: UUID, cause_id: UUID) -> UUID:
    """The refund caused by a return or by an operator's request."""
    return _derive("refund", order_id, cause_id)


def cancellation_id_for(order_id: UUID, shop_connection_id: UUID, reference: str) -> UUID:
    """The cancellation that a shop asked for."""
    return _derive("cancellation", order_id, shop_connection_id, reference)


def parked_id_for(owner: str, subject_kind: str, subject_id: str, cause: str) -> UUID:
    """One reason why one subject waits in one service."""
    return _derive("parked", owner, subject_kind, subject_id, cause)


def effect_id_for(natural_key: str) -> UUID:
    """The effect of this natural key."""
    return _derive("effect", natural_key)


def marketplace_return_id_for(connection_id: UUID, return_reference: str) -> UUID:
    """The return that the marketplace calls `return_reference`."""
    return _derive("marketplace_return", connection_id, return_reference)


def message_id_for(connection_id: UUID, message_reference: str) -> UUID:
    """The message that the marketplace calls `message_reference`."""
    return _derive("message", connection_id, message_reference)


def difference_id_for(connection_id: UUID, kind: str, subject: str) -> UUID:
    """One thing on which marketplace and hub disagree (`subject`: reference, with line, parcel or refund)."""
    return _derive("difference", connection_id, kind, subject)


def statement_id_for(connection_id: UUID, day: str) -> UUID:
    """The statement of one connection for one UTC day (`2026-03-02`)."""
    return _derive("statement", connection_id, day)
