"""A stand-in for the hub's endpoints: checks what the simulated shop posts with the connector's own reading code."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import SecretStr

from connector_generic_shop.posts import Post
from connector_generic_shop.reading import parse_body, parse_webhook
from connector_generic_shop.signing import BadSignature, verify
from connector_kit.capabilities import Now

API_KEY = "canary-api-key"


class FakeHub:
    """Collects posts as `(id, where, post)`; `status` replaces the answer; `pages` are what `GET orders` gives."""

    def __init__(self, clock: Now, secret: str) -> None:
        self.clock = clock
        self.secret = SecretStr(secret)
        self.posts: list[tuple[str, str, Post]] = []
        self.refused: list[str] = []
        self.arrived = asyncio.Event()
        self.status = 202
        self.pages: dict[str, dict[str, Any]] = {}
        self.app = FastAPI()
        self.app.add_api_route("/v1/shops/{connection}/webhooks", self.webhook, methods=["POST"])
        self.app.add_api_route("/v1/shops/{connection}/orders", self.orders, methods=["GET"])
        self.app.add_api_route("/v1/shops/{connection}/{resource}", self.rest, methods=["POST"])

    async def webhook(self, connection: str, request: Request) -> Response:
        body = await request.body()
        try:
            signed = verify(request.headers, body, [self.secret], now=self.clock.now())
        except BadSignature as error:
            self.refused.append(str(error))
            return JSONResponse({}, 401)
        message, post = parse_webhook(body)
        self.posts.append((signed.message_id, message.type, post))
        return JSONResponse({}, self.status)

    async def rest(self, connection: str, resource: str, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            self.refused.append("api key")
            return JSONResponse({}, 401)
        self.posts.append((request.headers["idempotency-key"], resource, parse_body(resource, await request.body())))
        self.arrived.set()
        return JSONResponse({}, self.status)

    async def orders(self, connection: str, request: Request) -> Response:
        return JSONResponse(self.pages[request.query_params.get("cursor", "")])
