"""Commands that change something: what exactly is sent, to whom, and that nothing is sent before it is agreed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hub_common.web import Problem
from hub_tools.cli import app
from hub_tools.client.files import parts_of
from hub_tools.testing.fake_hub import Asked, FakeHub

LETTERS = "/v1/operations/dead-letters"
ROUTER, GATEWAY = "order-router", "shop-gateway"
CONNECTION = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeHub]:
    with FakeHub() as running:
        yield running


@pytest.fixture
def hub(server: FakeHub) -> FakeHub:
    server.answers.clear()
    server.asked.clear()
    server.on(
        "GET", "connection-registry", f"/v1/connections/{CONNECTION}", {"connection_id": CONNECTION, "label": "M"}
    )
    return server


def run(hub: FakeHub, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments), env=hub.environment())
    assert result.exit_code == code, result.output
    return result


def letter(number: int, cause: str = "permanent", topic: str = "hub.orders") -> dict[str, Any]:
    return {
        "dead_letter_id": f"00000000-0000-7000-8000-{number:012d}",
        "cause": cause,
        "topic": topic,
        "key": f"k{number}",
        "error": "ValueError: no\nsecond line",
        "died_at": f"2026-11-02T08:00:00.{number:06d}Z",
    }


def serve_letters(hub: FakeHub, service: str, letters: list[dict[str, Any]], *, deaf: bool = False) -> None:
    """Pages as the real route gives them, newest first; `deaf` ignores the filters, as an older service would."""

    def page(asked: Asked) -> tuple[int, Any]:
        fits = sorted(letters, key=lambda each: each["died_at"], reverse=True)
        if not deaf:
            fits = [x for x in fits if asked.query.get("cause", x["cause"]) == x["cause"]]
            fits = [x for x in fits if asked.query.get("topic", x["topic"]) == x["topic"]]
        before = asked.query.get("before")
        if before:
            last = next(x for x in letters if x["dead_letter_id"] == before)
            fits = [x for x in fits if x["died_at"] < last["died_at"]]
        return 200, {"items": fits[: int(asked.query["limit"])]}

    hub.on("GET", service, LETTERS, by=page)
    hub.on("POST", service, f"{LETTERS}/redrive", by=lambda asked: (200, {"redriven": asked.json()["ids"]}))
    hub.on("POST", service, f"{LETTERS}/discard", by=lambda asked: (200, {"discarded": asked.json()["ids"]}))


def silence_others(hub: FakeHub, *but: str) -> None:
    from hub_tools.client.target import service_names

    for name in service_names():
        if name not in but:
            serve_letters(hub, name, [])


def sent(hub: FakeHub, service: str, step: str) -> list[str]:
    return [x for call in hub.calls("POST", service, f"{LETTERS}/{step}") for x in call.json()["ids"]]


def test_all_of_a_cause_means_every_page_of_it_oldest_first_and_nothing_else(hub: FakeHub) -> None:
    silence_others(hub, ROUTER, GATEWAY)
    many = [letter(n) for n in range(1, 2_301)]
    serve_letters(hub, ROUTER, [*many, letter(5000, "undecodable"), letter(5001, topic="hub.routes")])
    serve_letters(hub, GATEWAY, [letter(9001), letter(9002, "undecodable")], deaf=True)
    answer = run(hub, "dlq", "retry", "--all", "--cause", "permanent", "--topic", "hub.orders", "--yes", "--json")
    assert sent(hub, ROUTER, "redrive") == [each["dead_letter_id"] for each in many]
    assert sent(hub, GATEWAY, "redrive") == [letter(9001)["dead_letter_id"]]
    assert all(len(call.json()["ids"]) <= 200 for call in hub.calls("POST"))
    assert json.loads(answer.stdout)["by_service"] == {ROUTER: 2300, GATEWAY: 1}


def test_a_dry_run_is_told_to_the_service_and_an_unconfirmed_redrive_to_nobody(hub: FakeHub) -> None:
    silence_others(hub, ROUTER)
    serve_letters(hub, ROUTER, [letter(1)])
    assert "--yes: needed where nobody can be asked" in run(hub, "dlq", "retry", "--all", code=2).stderr
    assert "1 × permanent of hub.orders at order-router" in run(hub, "dlq", "retry", "--all", code=2).stderr
    assert not hub.calls("POST")
    run(hub, "dlq", "retry", "--all", "--dry-run")
    assert [call.json()["dry_run"] for call in hub.calls("POST")] == [True]
    run(hub, "dlq", "discard", "--all", "--dry-run", "--reason", "a test")
    assert not sent(hub, ROUTER, "discard")
    run(hub, "dlq", "discard", letter(1)["dead_letter_id"], "--reason", " a test ", "--yes")
    assert hub.calls("POST")[-1].json() == {"ids": [letter(1)["dead_letter_id"]], "reason": "a test"}


def test_letters_that_cannot_go_are_named_and_an_unknown_one_stops_before_anything_is_sent(hub: FakeHub) -> None:
    silence_others(hub, ROUTER)
    serve_letters(hub, ROUTER, [letter(1), letter(2)])
    hub.on("POST", ROUTER, f"{LETTERS}/redrive", {"redriven": [letter(2)["dead_letter_id"]]})
    left = run(hub, "dlq", "retry", "--all", "--yes", code=1)
    assert (
        f"1 cannot go: they have no event id, or were settled meanwhile: {letter(1)['dead_letter_id']}" in left.stdout
    )
    hub.asked.clear()
    ids = (letter(1)["dead_letter_id"], letter(77)["dead_letter_id"])
    assert letter(77)["dead_letter_id"] in run(hub, "dlq", "retry", *ids, "--yes", code=4).stderr
    assert not hub.calls("POST")


def test_a_service_that_does_not_answer_makes_the_list_incomplete_and_the_end_3(hub: FakeHub) -> None:
    silence_others(hub, ROUTER)
    hub.on("GET", ROUTER, LETTERS, b"", status=503)
    serve_letters(hub, GATEWAY, [letter(1)])
    result = run(hub, "dlq", "list", "--each", "--json", code=3)
    found = json.loads(result.stdout)
    assert [x["service"] for x in found["items"]] == [GATEWAY]
    assert [x["service"] for x in found["unreachable"]] == [ROUTER]
    assert "incomplete: order-router" in result.stderr


def test_errors_that_may_quote_a_buyer_are_cut(hub: FakeHub) -> None:
    silence_others(hub, ROUTER)
    serve_letters(hub, ROUTER, [letter(1), letter(2, topic="hub.order-customers")])
    items = json.loads(run(hub, "dlq", "list", "--each", "--json").stdout)["items"]
    assert {each["topic"]: each["error"].splitlines()[-1] for each in items} == {
        "hub.orders": "second line",
        "hub.order-customers": "ValueError: no",
    }


def test_settling_asks_before_something_may_be_sent_again(hub: FakeHub) -> None:
    path = f"/v1/operations/effects/{CONNECTION}"
    hub.on("GET", GATEWAY, path, {"kind": "create_order", "natural_key": "n"})
    hub.on("POST", GATEWAY, f"{path}/settle", {"effect_id": CONNECTION, "state": "RETRY"})
    arguments = ("effects", "settle", CONNECTION, "--verdict", "resend", "--evidence", "not in the back office")
    assert "sure that it was not applied?" in run(hub, *arguments, code=2).stderr
    assert not hub.calls("POST")
    run(hub, *arguments, "--yes")
    assert hub.calls("POST", GATEWAY)[0].json() == {
        "verdict": "not_applied_resend",
        "evidence": "not in the back office",
    }


def test_closing_a_parked_item_finds_its_owner(hub: FakeHub) -> None:
    from hub_tools.client.target import service_names

    for name in service_names():
        hub.on("GET", name, "/v1/operations/parked", {"items": []})
    hub.on("GET", ROUTER, "/v1/operations/parked", {"items": [{"parked_id": CONNECTION}]})
    hub.on("POST", ROUTER, f"/v1/operations/parked/{CONNECTION}/close", {"parked_id": CONNECTION})
    run(hub, "parked", "close", CONNECTION, "--reason", "sent by hand")
    assert hub.calls("POST", ROUTER)[0].json() == {"resolution": "sent by hand"}
    other = CONNECTION.replace("0", "1")
    assert "nothing that waits has this id" in run(hub, "parked", "close", other, "--reason", "gone", code=4).stderr


def test_a_large_stock_file_is_checked_whole_before_the_first_level_is_stated(hub: FakeHub, tmp_path: Path) -> None:
    rows = [f"{CONNECTION},SKU-{n},{n}" for n in range(12_000)]
    file = tmp_path / "stock.csv"
    file.write_text("shop_connection_id,shop_sku,quantity\n" + "\n".join(rows) + "\n")
    seen: list[str] = []

    def take(asked: Asked) -> tuple[int, Any]:
        header, *body = asked.body.decode().splitlines()
        assert header == "shop_connection_id,shop_sku,quantity"
        dry = asked.query["dry_run"] == "true"
        seen.append(f"{'check' if dry else 'store'} {len(body)}")
        return 200, {"rows": len(body)} | ({} if dry else {"stored": len(body) - 1, "older": 1})

    hub.on("POST", "stock-sync", "/v1/stock/import", by=take)
    found = json.loads(run(hub, "stock", "import", str(file), "--json").stdout)
    assert seen == ["check 5000", "check 5000", "check 2000", "store 5000", "store 5000", "store 2000"]
    assert found == {"dry_run": False, "rows": 12_000, "stored": 11_997, "older": 3}

    wrong = [{"row": 3, "column": "quantity", "rule": "must be a whole number"}]
    problem = Problem("invalid-stock-file", "Invalid stock file", 422, "1 rule broken", extra={"rows": wrong})
    hub.on(
        "POST",
        "stock-sync",
        "/v1/stock/import",
        by=lambda asked: (422, problem.body()) if b"SKU-5001," in asked.body else (200, {"rows": 1}),
    )
    hub.asked.clear()
    error = run(hub, "stock", "import", str(file), code=4).stderr
    assert "row 5003 quantity: must be a whole number" in error, "rows count in the file, not in its part"
    assert all(call.query["dry_run"] == "true" for call in hub.calls("POST"))


def test_parts_of_a_file_are_the_file() -> None:
    lines = [f"row {n}\n".encode() for n in range(1_000)]
    data = b"header\n" + b"".join(lines)
    parts = parts_of(data, rows=300, size=2_000)
    assert all(part.startswith(b"header\n") and len(part) <= 2_000 for _, part in parts)
    assert b"".join(part.removeprefix(b"header\n") for _, part in parts) == b"".join(lines)
    assert [before for before, _ in parts] == [sum(p.count(b"\n") - 1 for _, p in parts[:n]) for n in range(len(parts))]
    assert parts_of(b"header\nrow") == [(0, b"header\nrow")]


def test_carrier_rules_go_as_a_file_and_are_tried_as_rules(hub: FakeHub, tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    file.write_text("kind,priority,shop_carrier,carrier_code\nexplicit,1,UPS Standard,UPS\n")
    base = f"/v1/connections/{CONNECTION}/carrier-rules"
    done = {"rules": 1, "changed": 1, "removed": 4, "decided_again": 2, "warnings": []}
    hub.on("PUT", "carrier-mapper", f"{base}.csv", done)
    run(hub, "carriers", "import", CONNECTION, str(file), code=2)
    assert not hub.calls("PUT")
    assert "4 removed" in run(hub, "carriers", "import", CONNECTION, str(file), "--yes").stdout
    assert hub.calls("PUT")[0].body == file.read_bytes()

    tried = {"parcels": 9, "changed": 2, "newly_mapped": 1, "newly_parked": 1, "transitions": [], "idle_rules": []}
    hub.on("POST", "carrier-mapper", f"{base}/dry-run", tried)
    assert "9 past parcels: 2 would change" in run(hub, "carriers", "dry-run", CONNECTION, str(file)).stdout
    body = hub.calls("POST")[0].json()
    assert (body["parcels"], [rule["carrier_code"] for rule in body["rules"]]) == (500, ["UPS"])
    file.write_text("kind,priority\nnonsense,1\n")
    assert "FILE: row 2 kind" in run(hub, "carriers", "dry-run", CONNECTION, str(file), code=4).stderr


def test_a_check_that_fails_ends_with_1(hub: FakeHub) -> None:
    base = f"/v1/connections/{CONNECTION}"
    hub.on("POST", "connection-registry", f"{base}/verify", {"ok": False, "detail": "HTTP 401"})
    assert "does not work: HTTP 401" in run(hub, "connections", "verify", CONNECTION, code=1).stdout
    item = {"name": "credentials_set", "state": "open", "detail": "missing", "next_step": "type them in"}
    hub.on("GET", "connection-registry", f"{base}/checklist", {"ready": False, "items": [item]})
    assert "type them in" in run(hub, "connections", "checklist", CONNECTION, code=1).stdout
    hub.on("POST", "connection-registry", f"{base}/pause", {"label": "M", "state": "paused"})
    assert "M is paused" in run(hub, "connections", "pause", CONNECTION).stdout
    two = [{"connection_id": x, "label": "Twin"} for x in ("a", "b")]
    hub.on("GET", "connection-registry", "/v1/connections", {"items": two, "next": None})
    assert "2 connections have this label" in run(hub, "connections", "show", "twin", code=4).stderr
