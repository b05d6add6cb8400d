"""The web application as a caller sees it, over ASGI without a network."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from starlette.responses import Response

from hub_common.logs import setup_logging
from hub_common.web import (
    FieldError,
    Health,
    Operator,
    OperatorTokens,
    Problem,
    Role,
    assert_all_routes_authenticated,
    authenticates,
    build_app,
    hash_token,
    operator,
)

CANARY = "canary-5up3r-s3cret"
TOKENS = OperatorTokens.parse(
    ",".join(f"{name}:{name}:{hash_token(name + '-token')}" for name in ("viewer", "operator", "admin"))
)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    setup_logging(level="DEBUG", stream=stream)
    yield stream
    setup_logging()
    logging.getLogger().setLevel(logging.WARNING)


class Credentials(BaseModel):
    api_key: SecretStr

    @field_validator("api_key")
    @classmethod
    def _long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 50:
            raise ValueError(f"{value.get_secret_value()} is too short")
        return value


class Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")
    quantity: Annotated[int, Field(gt=0)]
    lines: list[dict[str, int]] = []


class Pair(BaseModel):
    password: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _differ(self) -> Pair:
        raise ValueError(f"password {self.password} may not be used with {self.note}")


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


router = APIRouter()


@router.get("/orders")
async def orders(limit: Annotated[int, Field(le=10)] = 1) -> dict[str, int]:
    return {"limit": limit}


@router.post("/wishes")
async def wishes(wish: Wish) -> int:
    return wish.quantity


@router.post("/credentials")
async def credentials(_body: Credentials) -> None:
    return None


@router.post("/pairs")
async def pairs(_body: Pair) -> None:
    return None


@router.post("/bytes")
async def count_bytes(request: Request) -> int:
    return len(await request.body())


@router.post("/swallow")
async def swallow(request: Request) -> str:
    try:
        await request.body()
    except Exception:  # noqa: BLE001  a handler that swallows everything must not undo the limit
        return "handled"
    return "read"


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError(f"{CANARY} at host 10.0.0.7")


@router.get("/problem")
async def problem() -> None:
    raise Problem(
        "carrier-unmapped", "No carrier mapping", 409, "GLS has none.", errors=[FieldError("#/carrier", "unknown")]
    )


@router.delete("/orders")
async def delete(who: Annotated[Operator, Depends(operator(Role.ADMIN))]) -> str:
    return who.login


async def call(app: FastAPI, method: str, path: str, token: str | None = "viewer-token", **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    headers |= more.pop("headers", {})
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        return await client.request(method, path, headers=headers, **more)


@pytest.fixture
def app() -> FastAPI:
    return build_app("order-router", operators=TOKENS, routers=[router], body_limit=1000)


async def test_no_token_is_401_with_challenge(app: FastAPI) -> None:
    answer = await call(app, "GET", "/orders", token=None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="hub"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:hub:problem:unauthorised"


@pytest.mark.parametrize("token", ["wrong", "x" * 100_000, "viewer-token2", "é"])
async def test_unknown_token_is_401_and_is_not_echoed(app: FastAPI, token: str) -> None:
    answer = await call(app, "GET", "/orders", token=None, headers={"authorization": b"bearer " + token.encode()})
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert token not in answer.text


async def test_without_configured_tokens_the_answer_says_what_to_do() -> None:
    answer = await call(build_app("x", routers=[router]), "GET", "/orders")
    assert answer.status_code == 401
    assert "HUB_OPERATOR_TOKENS" in answer.json()["detail"]


async def test_roles(app: FastAPI) -> None:
    assert (await call(app, "GET", "/orders")).json() == {"limit": 1}
    low = await call(app, "DELETE", "/orders", "operator-token")
    assert (low.status_code, low.json()["type"]) == (403, "urn:hub:problem:role-too-low")
    assert (await call(app, "DELETE", "/orders", "admin-token")).json() == "admin"


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("anna:viewer", "login:role:sha256hex"),
        (f"anna:boss:{'0' * 64}", "viewer, operator, admin or delegate"),
        (f"anna:viewer:{CANARY}", "64 lower-case hex"),
        (f"an na:viewer:{'0' * 64}", "login of entry 1"),
    ],
)
def test_bad_token_settings_name_the_rule_and_not_the_content(setting: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as error:
        OperatorTokens.parse(setting)
    assert CANARY not in str(error.value)


async def test_validation_names_field_and_rule(app: FastAPI) -> None:
    answer = await call(app, "POST", "/wishes", json={"quantity": 0, "lines": [{"a/b": "x"}], "odd": 1})
    assert answer.status_code == 422
    body = answer.json()
    assert body["type"] == "urn:hub:problem:invalid-request"
    assert body["instance"] == "/wishes"
    pointers = {error["pointer"]: error["detail"] for error in body["errors"]}
    assert set(pointers) == {"#/quantity", "#/lines/0/a~1b", "#/odd"}
    assert "greater than 0" in pointers["#/quantity"]


async def test_validation_of_query_and_json(app: FastAPI) -> None:
    assert (await call(app, "GET", "/orders?limit=99")).json()["errors"][0]["pointer"] == "query:/limit"
    broken = await call(app, "POST", "/wishes", content=b'{"quantity": ', headers={"content-type": "application/json"})
    assert broken.json()["errors"][0]["pointer"] == "#"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/credentials", {"api_key": CANARY}),
        ("/credentials", {"api_key": [CANARY]}),
        ("/credentials", {"other": CANARY}),
        ("/pairs", {"password": CANARY, "note": "n"}),
        ("/wishes", {"quantity": CANARY}),
    ],
)
async def test_validation_never_echoes_what_was_sent(app: FastAPI, path: str, body: dict[str, Any]) -> None:
    answer = await call(app, "POST", path, json=body)
    assert answer.status_code == 422
    assert CANARY not in answer.text


async def test_union_tags_are_not_echoed() -> None:
    own = APIRouter()

    @own.post("/union")
    async def union(body: Annotated[Cat | Dog, Field(discriminator="kind")]) -> str:
        return body.kind

    answer = await call(build_app("x", operators=TOKENS, routers=[own]), "POST", "/union", json={"kind": CANARY})
    assert answer.status_code == 422
    assert "'cat'" in answer.json()["errors"][0]["detail"]
    assert CANARY not in answer.text


async def test_unknown_route_and_method_are_problems(app: FastAPI) -> None:
    missing = await call(app, "GET", "/nowhere", token=None)
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    wrong = await call(app, "PUT", "/problem")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:hub:problem:method-not-allowed")
    assert wrong.headers["allow"] == "GET"


async def test_problem_members(app: FastAPI) -> None:
    answer = await call(app, "GET", "/problem?token=abc")
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "urn:hub:problem:carrier-unmapped",
        "title": "No carrier mapping",
        "status": 409,
        "detail": "GLS has none.",
        "instance": "/problem",
        "errors": [{"pointer": "#/carrier", "detail": "unknown"}],
    }


async def test_unexpected_error_shows_nothing_and_logs_type_and_place(app: FastAPI, lines: io.StringIO) -> None:
    answer = await call(app, "GET", "/boom")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "RuntimeError" not in answer.text
    assert CANARY not in answer.text + lines.getvalue()
    line = next(json.loads(text) for text in lines.getvalue().splitlines() if "request_failed" in text)
    assert (line["error"], line["service"], line["path_template"]) == ("RuntimeError", "order-router", "/boom")
    assert "test_app" in line["stack"]


@pytest.mark.parametrize("path", ["/bytes", "/wishes", "/swallow"])
@pytest.mark.parametrize("announced", [True, False])
async def test_body_limit_counts_streamed_bytes(app: FastAPI, path: str, announced: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    content = b"x" * 1100 if announced else chunks()
    answer = await call(app, "POST", path, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:hub:problem:body-too-large")


async def test_a_body_of_exactly_the_limit_passes(app: FastAPI) -> None:
    assert (await call(app, "POST", "/bytes", content=b"x" * 1000)).json() == 1000


async def test_health_ready_metrics_need_no_token() -> None:
    async def slow() -> Health:
        return Health(False, {"consumer": "stuck"})

    def broken() -> Health:
        raise RuntimeError(CANARY)

    app = build_app("x", health=slow, ready=broken, metrics=lambda: b"hub_up 1\n")
    sick = await call(app, "GET", "/healthz", token=None)
    assert (sick.status_code, sick.json()["details"]) == (503, {"consumer": "stuck"})
    assert sick.json()["status"] == "failing"
    unready = await call(app, "GET", "/readyz", token=None)
    assert (unready.status_code, unready.json()["details"]) == (503, {"error": "RuntimeError"})
    assert (await call(app, "GET", "/metrics", token=None)).text == "hub_up 1\n"
    assert (await call(build_app("x"), "GET", "/healthz", token=None)).json()["status"] == "ok"


async def test_a_hanging_check_is_a_failing_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_common.web.app.CHECK_SECONDS", 0.01)

    async def hang() -> Health:
        await asyncio.Event().wait()
        return Health(True)

    assert (await call(build_app("x", health=hang), "GET", "/healthz", token=None)).status_code == 503


async def test_docs_are_off_and_openapi_is_an_option(app: FastAPI) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await call(app, "GET", path)).status_code == 404
    documented = build_app("x", operators=TOKENS, routers=[router], openapi=True)
    assert "/orders" in (await call(documented, "GET", "/openapi.json", token=None)).json()["paths"]
    assert_all_routes_authenticated(documented)


def test_forgotten_authentication_is_found(app: FastAPI) -> None:
    assert_all_routes_authenticated(app)

    @app.get("/open")
    async def open_route() -> None:
        return None

    @app.websocket("/socket")
    async def socket(_socket: WebSocket) -> None:
        return None

    nested, inner = APIRouter(prefix="/nested"), APIRouter()
    inner.get("/deep")(open_route)
    nested.include_router(inner)
    app.include_router(nested)
    app.mount("/files", app=Response())
    with pytest.raises(AssertionError) as error:
        assert_all_routes_authenticated(app)
    for path in ("GET /open", "/socket", "GET /nested/deep", "/files"):
        assert path in str(error.value)


async def test_own_authentication_counts_when_marked() -> None:
    @authenticates
    def api_key() -> None:
        return None

    hooks = APIRouter(dependencies=[Depends(api_key)])

    @hooks.post("/hook")
    async def hook() -> str:
        return "taken"

    app = build_app("x", self_authenticated=[hooks])
    assert_all_routes_authenticated(app)
    assert (await call(app, "POST", "/hook", token=None)).json() == "taken"


def test_problem_slugs_are_checked() -> None:
    with pytest.raises(ValueError, match="slug"):
        Problem("Not OK", "x", 400)
