"""Routes about offers stated whole: checked against the marketplace's rules first, then told, then seen to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import ValidationError

from catalog_feed.bodies_offers import OfferBody, OffersBody
from catalog_feed.desk import Market, market
from catalog_feed.listings import pointer, split
from catalog_feed.offers_csv import read_offers
from catalog_feed.products import RowError
from catalog_feed.publishing import Statement, state_offers
from connector_kit.manifest import Capability
from connector_kit.offers import Problem as OfferProblem
from connector_kit.offers import PublishOffer
from hub_common.web import FieldError, Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
OfferSku = Annotated[str, Path(min_length=1, max_length=200)]
SHOWN_ERRORS = 200
Placed = tuple[str, PublishOffer]
"""Where an offer stands in what was given (`#`, `#/offers/3`, `row:7`), and the offer."""


def offers_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/connections/{id}/offers`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}/offers", tags=["offers"])
    _reading(router, runtime)
    _stating(router, runtime)
    return router


def _reading(router: APIRouter, runtime: Runtime) -> None:
    @router.get("")
    async def list_offers(
        connection_id: UUID,
        state: Annotated[str | None, Query(max_length=20)] = None,
        after: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """Offers that were stated, by SKU; `after` is the last SKU of the page before."""
        rows = await runtime.pool.fetch(
            "SELECT * FROM listings WHERE connection_id = $1 AND ($2::text IS NULL OR state = $2) AND offer_sku > $3"
            " ORDER BY offer_sku LIMIT $4",
            connection_id,
            state,
            after,
            limit,
        )
        return {"items": [_shown(row) for row in rows]}

    @router.get("/{offer_sku:path}")
    async def show_offer(connection_id: UUID, offer_sku: OfferSku) -> dict[str, Any]:
        row = await runtime.pool.fetchrow(
            "SELECT * FROM listings WHERE connection_id = $1 AND offer_sku = $2", connection_id, offer_sku
        )
        if row is None:
            raise Problem("offer-unknown", "No such offer", 404, "Nobody has stated an offer of this SKU here.")
        return _shown(row)


def _shown(row: Any) -> dict[str, Any]:
    return dict(row) | {name: orjson.loads(row[name]) for name in ("request", "problems")}


def _stating(router: APIRouter, runtime: Runtime) -> None:
    @router.post("/import")
    async def state_many(
        connection_id: UUID,
        request: Request,
        response: Response,
        who: CanAct,
        dry_run: bool = False,
        leave_out: bool = False,
        again: bool = False,
    ) -> dict[str, Any]:
        """State many offers, as CSV or as JSON by the content type: all or none, or with `leave_out` all but those
        with errors."""
        speaker = await market(runtime, connection_id, Capability.PUBLISH_OFFERS)
        placed, broken = await _given(request)
        good, refused, warnings = _checked(speaker, placed)
        errors = [_row_error(each) for each in broken] + refused
        if errors and not (leave_out and good):
            raise _refusal([error for error, _ in errors], [problem for _, problem in errors])
        response.status_code = 200 if dry_run else 202
        told = [] if dry_run else await _tell(runtime, speaker, good, warnings, who.login, again=again)
        return {
            "dry_run": dry_run,
            "offers": len(good),
            "sent": sum(each.sent for each in told),
            "unchanged": sum(not each.sent for each in told),
            "left_out": [problem for _, problem in errors][:SHOWN_ERRORS],
            "warnings": [
                warning.model_dump(mode="json", exclude_none=True)
                for found in ([each.warnings for each in told] or warnings.values())
                for warning in found
            ][:SHOWN_ERRORS],
        }

    @router.put("/{offer_sku:path}")
    async def state_one(
        connection_id: UUID,
        offer_sku: OfferSku,
        body: OfferBody,
        response: Response,
        who: CanAct,
        dry_run: bool = False,
        again: bool = False,
    ) -> dict[str, Any]:
        """State one offer whole: create it, or replace what was stated before."""
        return await one(connection_id, body.request(offer_sku), response, who, dry_run=dry_run, again=again)

    @router.delete("/{offer_sku:path}")
    async def withdraw(
        connection_id: UUID, offer_sku: OfferSku, response: Response, who: CanAct, again: bool = False
    ) -> dict[str, Any]:
        """Take an offer off the marketplace, whoever put it there."""
        gone = PublishOffer(offer_sku=offer_sku, withdraw=True)
        return await one(connection_id, gone, response, who, dry_run=False, again=again)

    async def one(
        connection_id: UUID, offer: PublishOffer, response: Response, who: Operator, *, dry_run: bool, again: bool
    ) -> dict[str, Any]:
        speaker = await market(runtime, connection_id, Capability.PUBLISH_OFFERS)
        good, refused, warnings = _checked(speaker, [("#", offer)])
        if refused:
            raise _refusal([error for error, _ in refused], [problem for _, problem in refused])
        shown = {"connection_id": connection_id, "offer_sku": offer.offer_sku, "dry_run": dry_run}
        if dry_run:
            return shown | {"warnings": [w.model_dump(mode="json") for w in warnings.get(offer.offer_sku, ())]}
        [told] = await _tell(runtime, speaker, good, warnings, who.login, again=again)
        response.status_code = 202 if told.sent else 200
        return shown | asdict(told) | {"warnings": [w.model_dump(mode="json") for w in told.warnings]}


async def _given(request: Request) -> tuple[list[Placed], list[RowError]]:
    content = await request.body()
    if "json" not in request.headers.get("content-type", ""):
        found, errors = read_offers(content)
        if not found and not errors:
            errors = [RowError(-1, "", "has no offers")]
        return [(f"row:{row}", offer.stated()) for row, offer in found], errors
    try:
        body = OffersBody.model_validate_json(content)
    except ValidationError as error:
        errors = [
            RowError(-1, "/".join(str(part) for part in each["loc"]), str(each["msg"]).removeprefix("Value error, "))
            for each in error.errors(include_url=False, include_input=False)
        ]
        return [], errors
    return [(f"#/offers/{at}", offer.stated()) for at, offer in enumerate(body.offers)], []


Refused = tuple[FieldError, dict[str, Any]]


def _row_error(error: RowError) -> Refused:
    place = f"row:{error.row}/{error.column}" if error.row >= 0 else f"#/{error.column}"
    shown = {"field": error.column, "rule": error.rule, "next_step": "Correct it and send it again."}
    return FieldError(place, error.rule), shown | ({"row": error.row} if error.row >= 0 else {})


def _checked(
    speaker: Market, placed: Sequence[Placed]
) -> tuple[list[PublishOffer], list[Refused], dict[str, Sequence[OfferProblem]]]:
    """Offers that the marketplace is not known to refuse, what it would refuse of the others, and warnings by SKU."""
    good: list[PublishOffer] = []
    refused: list[Refused] = []
    warnings: dict[str, Sequence[OfferProblem]] = {}
    for place, offer in placed:
        errors, mild = split(speaker.speaker.check_offer(offer))
        if errors:
            refused += [
                (
                    FieldError(pointer(problem, place), problem.rule),
                    problem.model_dump(mode="json", exclude_none=True) | {"offer_sku": offer.offer_sku},
                )
                for problem in errors
            ]
        else:
            good.append(offer)
            warnings[offer.offer_sku] = mild
    return good, refused, warnings


def _refusal(errors: Sequence[FieldError], problems: Sequence[dict[str, Any]]) -> Problem:
    detail = f"{len(errors)} rule(s) broken, nothing was sent."
    if len(errors) > SHOWN_ERRORS:
        detail += f" The first {SHOWN_ERRORS} are listed."
    return Problem(
        "offer-refused",
        "The offer would be refused",
        422,
        detail,
        errors=errors[:SHOWN_ERRORS],
        extra={"problems": list(problems[:SHOWN_ERRORS])},
    )


async def _tell(
    runtime: Runtime,
    speaker: Market,
    offers: Sequence[PublishOffer],
    warnings: dict[str, Sequence[OfferProblem]],
    login: str,
    *,
    again: bool,
) -> list[Statement]:
    async with runtime.transactions.begin() as tx:
        return await state_offers(tx, speaker.connection, offers, warnings, login, again=again)
