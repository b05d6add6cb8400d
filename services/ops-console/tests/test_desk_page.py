"""The desk against a real owning service: groups, bulk actions in steps, edited copies, roles and tenants."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import orjson
import pytest
from pydantic import SecretStr

from hub_common.kafka.records import InRecord
from hub_common.parked import Park, park
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC as PROBE
from hub_common.tx import Cause
from hub_common.web import hash_token
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.examples import EXAMPLES
from hub_contracts.orders import OrderCustomerRecorded
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import ORDER_CUSTOMERS, SHOP_ACTIVITY
from hub_contracts.work import EffectInDoubt, WorkParked
from ops_console import desk_letters
from ops_console.desk_causes import CAUSES
from ops_console.desk_letters import OWNERS, changes
from ops_console.main import SPEC
from ops_console.pages import desk
from ops_console.sessions import csrf_of

from .test_sign_in import ACCOUNTS, HASH, Answer, Browser

OWNER = "order-router"
TOKEN = "hub_test_console"
STOCK = next(one.data for one in EXAMPLES if isinstance(one.data, StockReported))
GOOD = STOCK.model_dump_json()
BROKEN = GOOD.replace('"shop_connection_id"', '"shop_connection"')
CUSTOMER = next(one.data for one in EXAMPLES if isinstance(one.data, OrderCustomerRecorded))
REPO = Path(__file__).resolve().parents[3]


@dataclass
class Desk:
    """The console, and one service that owns what is on its desk; the others are away."""

    console: Harness
    owner: Harness
    browser: Browser
    offset: int = 0

    async def died(self, value: str = BROKEN, *, tenant: str = "acme", topic: str = SHOP_ACTIVITY, **named: Any) -> str:
        """A dead letter of the owner; returns its id."""
        self.offset += 1
        kind, key = named.get("kind", StockReported.TYPE), named.get("key", "A")
        meta = Metadata(self.owner.runtime.ids.new(), kind, "test", self.owner.clock.now(), key, tenant, self.offset)
        headers = [one for one in encode_headers(meta) if one[0] not in named.get("without", ())]
        record = InRecord(topic, 0, self.offset, key.encode(), value.encode(), headers, 0)
        await self.owner.runtime.inbox.process([record])
        await self.owner.runtime.pool.execute("DELETE FROM outbox")
        found = await self.owner.runtime.pool.fetchval(
            "SELECT dead_letter_id FROM dead_letters WHERE record_offset = $1 ORDER BY died_at DESC LIMIT 1",
            self.offset,
        )
        return str(found)

    async def parks(self, count: int, *, tenant: str = "acme", cause: str = "sku_unlinked") -> list[UUID]:
        """Items that the owner parked and the console heard of."""
        items = [
            Park("order", str(uuid4()), cause, f"Detail {n}.", "Link it.", "A", Cause(tenant=tenant))
            for n in range(count)
        ]
        async with self.owner.runtime.transactions.begin() as tx:
            await park(tx, items)
        told = [one for one in await self.owner.emitted() if one.type == WorkParked.TYPE]
        bodies = [(one.key, one.data.model_copy(update={"owner": OWNER})) for one in told]
        await self.console.feed(*bodies, tenant=tenant)
        return [body.parked_id for _, body in bodies]

    async def post(self, path: str, form: Any, **headers: str) -> Answer:
        """Post a form with the session's token; lists are repeated fields."""
        pairs = [
            ("csrf", csrf_of(self.browser.cookies["hub_session"])),
            *(form.items() if isinstance(form, dict) else form),
        ]
        return await self.browser.post(path, pairs, **headers)  # type: ignore[arg-type]  # a field may be there twice

    async def group(self) -> dict[str, str]:
        """The one group of dead letters on the desk."""
        page = (await self.browser.get("/desk")).body
        found = re.search(r'href="/desk/letters\?([^"]+)"', page)
        assert found is not None
        return dict(part.split("=", 1) for part in found[1].replace("&amp;", "&").split("&"))

    async def states(self) -> dict[str, str]:
        rows = await self.owner.runtime.pool.fetch("SELECT dead_letter_id, state FROM dead_letters")
        return {str(row["dead_letter_id"]): row["state"] for row in rows}

    async def flash(self, answer: Answer) -> str:
        assert answer.status == 303, answer.body
        page = await self.browser.get(answer.headers["location"])
        found = re.search(r'class="flash (?:done|failed)" role="status">([^<]+)', page.body)
        return found[1] if found else ""


@pytest.fixture
def theirs(new_database: Callable[[str | None], str], migrated: Callable[[str], str]) -> str:
    """The owning service's database."""
    return new_database(migrated(PROBE.package))


@pytest.fixture
async def on(database: str, theirs: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(desk, "HEARD_SECONDS", 0.05)
    tokens = SecretStr(f"console:delegate:{hash_token(TOKEN)}")
    async with Harness(PROBE, theirs, operator_tokens=tokens) as owner:
        url = await owner.serve()
        await owner.runtime.pool.execute(
            "INSERT INTO connections (connection_id, tenant, version, body) VALUES ($1, 'acme', 1, $2)",
            STOCK.shop_connection_id,
            _connection(),
        )
        await owner.runtime.connections.refresh()
        settings: dict[str, Any] = {
            "local_accounts": f"{ACCOUNTS} els:operator:elsewhere:{HASH}",
            "console_token": SecretStr(TOKEN),
            "service_urls": {OWNER: url},
            "service_url_template": "http://127.0.0.1:1/{service}",
        }
        async with Harness(SPEC, database, **settings) as console:
            browser = Browser(await console.serve())
            await browser.sign_in("ole")
            yield Desk(console, owner, browser)


def _connection() -> str:
    data = next(one.data for one in EXAMPLES if one.data.TYPE == "connection.changed.v1")
    return data.model_copy(update={"connection_id": STOCK.shop_connection_id}).model_dump_json()


def test_every_documented_cause_has_words() -> None:
    text = (REPO / "docs" / "operations.md").read_text()
    part = text[text.index("## Parked work") : text.index("## Routine")]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    causes = {cause for row in rows for cause in re.findall(r"`([a-z_]+)`", row)}
    assert len(causes) > 70
    assert causes - set(CAUSES) == set()


async def test_what_waits_is_grouped_and_services_that_are_away_are_named(on: Desk) -> None:
    empty = (await on.browser.get("/desk")).body
    assert "Nothing is parked." in empty
    assert "order-ingest did not say what waits there" in empty
    await on.parks(3)
    await on.parks(2, tenant="foreign")
    for _ in range(2):
        await on.died()
    await on.died(tenant="foreign")
    await on.owner.runtime.pool.execute(
        "INSERT INTO inbox_retry (key, event_id, topic, partition, record_offset, headers, attempts, error)"
        " SELECT 'K', gen_random_uuid(), 'hub.orders', 0, n, jsonb_build_object('tenant', t), n, 'Down: no answer'"
        " FROM (VALUES (1, 'acme'), (2, 'acme'), (3, 'foreign')) AS v(n, t)"
    )
    page = (await on.browser.get("/desk")).body
    group = re.search(r"sku unlinked</a></td>\s*<td class=\"num\">(\d+)", page)
    assert group is not None
    assert group[1] == "3", "the other tenant's are not counted"
    assert "No shop article is linked to the SKU." in page
    letters = re.search(r"undecodable</a></td>\s*<td class=\"num\">(\d+)", page)
    assert letters is not None
    assert letters[1] == "2"
    assert re.search(r"<td class=\"num\">2</td><td class=\"num\">2</td>.*Down: no answer", page)


async def test_parked_items_are_closed_with_a_reason(on: Desk) -> None:
    ids, others = await on.parks(3), await on.parks(1, tenant="foreign")
    page = (await on.browser.get(f"/desk/parked?owner={OWNER}&cause=sku_unlinked")).body
    assert page.count('name="parked_id"') == 3
    until = re.search(r'name="until" value="([^"]+)"', page)
    assert until is not None
    form = [("owner", OWNER), ("cause", "sku_unlinked"), ("until", until[1]), ("reason", "linked by hand")]
    nothing = await on.post("/desk/parked/close", form)
    assert "Choose what to close" in await on.flash(nothing)
    one = await on.post("/desk/parked/close", [*form, ("parked_id", str(ids[0])), ("parked_id", str(others[0]))])
    assert await on.flash(one) == "1 closed."
    left = {item["parked_id"] for item in await on.owner.parked()}
    assert left == {ids[1], ids[2], others[0]}, "another tenant's item is not closed along"
    assert (await on.post("/desk/parked/close", [*form, ("parked_id", str(others[0]))])).status == 404
    row = await on.owner.runtime.pool.fetchrow("SELECT * FROM parked WHERE parked_id = $1", ids[0])
    assert row is not None
    assert (row["resolution"], row["actor"]) == ("linked by hand", "ole")
    audit = await on.console.runtime.pool.fetchrow("SELECT * FROM audit_log WHERE action = 'close_parked'")
    assert audit is not None
    assert (audit["login"], audit["tenant"], audit["outcome"]) == ("ole", "acme", "done")


async def test_many_are_closed_step_by_step_with_progress(on: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "CHUNK", 2)
    await on.parks(5)
    until = on.console.clock.now().isoformat()
    form = {"owner": OWNER, "cause": "sku_unlinked", "until": until, "reason": "all linked", "everything": "true"}
    told: list[Any] = []
    after: dict[str, str] = {}
    while not told or told[-1]["after"]:
        answer = await on.post("/desk/parked/close", form | after, accept="application/json")
        assert answer.status == 200, answer.body
        told.append(orjson.loads(answer.body))
        after = {"after": told[-1]["after"] or "", "sofar": str(sum(one["done"] for one in told))}
    assert [one["done"] for one in told] == [2, 2, 1]
    assert await on.owner.parked() == []
    assert "5 closed." in (await on.browser.get("/desk")).body
    await on.parks(5)
    assert await on.flash(await on.post("/desk/parked/close", form)) == "5 closed.", "and without a script"


async def test_a_redrive_is_tried_dry_first_and_takes_only_what_was_seen(on: Desk) -> None:
    first, second = await on.died(), await on.died()
    nameless = await on.died(without=("ce_id",))
    foreign = await on.died(tenant="foreign")
    group = await on.group()
    page = (await on.browser.get("/desk/letters?" + urlencode(group))).body
    assert (first in page, second in page, foreign in page) == (True, True, False)
    tried = await on.post("/desk/letters/try", group | {"everything": "true"})
    assert "2 would be sent back" in tried.body
    assert set((await on.states()).values()) == {"open"}, "a dry run moves nothing"
    until = re.search(r'name="until" value="([^"]+)"', tried.body)
    assert until is not None
    late = await on.died()
    sent = await on.post("/desk/letters/redrive", group | {"until": until[1], "everything": "true"})
    assert await on.flash(sent) == "2 sent back through the inbox."
    states = await on.states()
    assert {states[first], states[second]} == {"redriven"}
    assert {states[nameless], states[late], states[foreign]} == {"open"}
    none = await on.post("/desk/letters/redrive", group | {"until": until[1]})
    assert "Choose dead letters" in await on.flash(none), "nothing named is not everything"


async def test_thousands_go_page_by_page(on: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_letters, "STEP", 2)
    for _ in range(5):
        await on.died()
    group = await on.group()
    tried = await on.post("/desk/letters/try", group | {"everything": "true"})
    assert "5 would be sent back" in tried.body
    until = re.search(r'name="until" value="([^"]+)"', tried.body)
    assert until is not None
    form = group | {"until": until[1], "everything": "true"}
    answer = orjson.loads((await on.post("/desk/letters/redrive", form, accept="application/json")).body)
    assert (answer["done"], bool(answer["after"])) == (2, True)
    assert await on.flash(await on.post("/desk/letters/redrive", form)) == "3 sent back through the inbox."


async def test_an_edited_copy_is_checked_sent_and_linked(on: Desk) -> None:
    letter = await on.died()
    path = f"/desk/letters/{OWNER}/{letter}"
    page = (await on.browser.get(path)).body
    assert "&#34;shop_connection&#34;" in page
    wrong = await on.post(f"{path}/edit", {"value": BROKEN, "reason": "a typo of theirs"})
    assert "shop_connection_id" in wrong.body
    assert "Field required" in wrong.body
    assert "Store the copy and send it" not in wrong.body
    fits = await on.post(f"{path}/edit", {"value": GOOD, "reason": "a typo of theirs"})
    assert "The copy fits the schema. Nothing was sent yet." in fits.body
    assert "Store the copy and send it" in fits.body
    assert (await on.states())[letter] == "open"
    sent = await on.post(f"{path}/edit", {"value": GOOD, "reason": "a typo of theirs", "send": "true"})
    assert "The corrected copy is on its way" in await on.flash(sent)
    await on.owner.make_due()
    assert await on.owner.runtime.retrier.step()
    assert await on.owner.runtime.pool.fetchval("SELECT times FROM notes WHERE sku = $1", STOCK.shop_sku) == 1
    original = (await on.browser.get(path)).body
    assert f'href="{sent.headers["location"]}"' in original, "the original names its copy"
    assert f'href="{path}"' in (await on.browser.get(sent.headers["location"])).body, "and the copy its original"
    audit = await on.console.runtime.pool.fetchval("SELECT detail FROM audit_log WHERE action = 'edit_dead_letter'")
    assert str(STOCK.shop_connection_id) not in audit, "which fields, never their values"
    assert "shop_connection_id" in audit


async def test_a_buyers_data_is_masked_until_it_is_asked_for(on: Desk) -> None:
    assert CUSTOMER.shipping is not None
    street = CUSTOMER.shipping.street_1 or ""
    body = CUSTOMER.model_dump_json().replace('"order_id"', '"order"')
    letter = await on.died(body, topic=ORDER_CUSTOMERS, key=str(CUSTOMER.order_id))
    path = f"/desk/letters/{OWNER}/{letter}"
    page = html.unescape((await on.browser.get(path)).body)
    assert "Masked" in page
    assert street not in page
    checked = await on.post(f"{path}/edit", {"value": '{"order": 1}', "reason": "looking around"})
    assert street not in html.unescape(checked.body), "checking an edit reveals nothing"
    assert street in html.unescape((await on.post(f"{path}/reveal", {})).body)
    kinds = await on.console.runtime.pool.fetch("SELECT action, detail::text FROM audit_log")
    assert "reveal_dead_letter" in {row["action"] for row in kinds}
    assert all(street not in row["detail"] for row in kinds)


async def test_discarding_needs_a_reason(on: Desk) -> None:
    one, other = await on.died(), await on.died()
    group = await on.group()
    assert (await on.post("/desk/letters/discard", group | {"letter_id": one, "reason": ""})).status == 422
    done = await on.post("/desk/letters/discard", group | {"letter_id": one, "reason": "a test of the shop"})
    assert await on.flash(done) == "1 discarded."
    assert await on.states() == {one: "discarded", other: "open"}
    row = await on.owner.runtime.pool.fetchrow("SELECT * FROM dead_letters WHERE state = 'discarded'")
    assert row is not None
    assert (row["settled_by"], row["settled_reason"]) == ("ole", "a test of the shop")


async def test_an_effect_in_doubt_is_settled_with_evidence(on: Desk) -> None:
    effect_id, other_id = uuid4(), uuid4()
    for each, tenant in ((effect_id, "acme"), (other_id, "foreign")):
        await on.owner.runtime.pool.execute(
            "INSERT INTO effects (effect_id, kind, natural_key, connection_id, credential_ref, tenant, order_key, lane,"
            " request, state, needs_operator, evidence)"
            " VALUES ($1::uuid, 'accept', $1::uuid::text, $2, 'c', $3, 'o', 1, '{\"name\": \"Anna\"}', 'UNKNOWN', true,"
            " 'two orders fit')",
            each,
            STOCK.shop_connection_id,
            tenant,
        )
        doubt = EffectInDoubt(
            effect_id=each,
            owner=OWNER,
            kind="accept",
            natural_key=str(each),
            connection_id=STOCK.shop_connection_id,
            reason="two orders fit",
            needs_operator=True,
        )
        await on.console.feed((str(each), doubt), tenant=tenant)
    path = f"/desk/effects/{OWNER}/{effect_id}"
    overview = (await on.browser.get("/desk")).body
    assert (path in overview, str(other_id) in overview) == (True, False)
    assert (await on.browser.get(f"/desk/effects/{OWNER}/{other_id}")).status == 404
    page = (await on.browser.get(path)).body
    assert ("two orders fit" in page, "Anna" in page) == (True, False)
    assert "Anna" in (await on.post(f"{path}/reveal", {})).body
    form = {"verdict": "not_applied_resend", "evidence": "not in the back office"}
    assert (await on.post(f"/desk/effects/{OWNER}/{other_id}/settle", form)).status == 404
    assert "accept is settled" in await on.flash(await on.post(f"{path}/settle", form))
    rows = await on.owner.runtime.pool.fetch("SELECT effect_id, state, confirmed_by FROM effects")
    assert {row["effect_id"]: row["state"] for row in rows} == {effect_id: "RETRY", other_id: "UNKNOWN"}
    again = await on.post(f"{path}/settle", form)
    assert "Only effects in state UNKNOWN" in await on.flash(again)


async def test_viewers_read_and_strangers_see_nothing(on: Desk) -> None:
    letter, nobodys = await on.died(), await on.died(without=("tenant",))
    parked = await on.parks(1)
    group = await on.group()
    until = on.console.clock.now().isoformat()
    close = {"owner": OWNER, "cause": "sku_unlinked", "reason": "xxx", "until": until, "parked_id": str(parked[0])}
    edit = {"value": GOOD, "reason": "xxx", "send": "true"}
    posts: dict[str, dict[str, str]] = {
        "/desk/parked/close": close,
        "/desk/letters/try": group | {"letter_id": letter},
        "/desk/letters/redrive": group | {"letter_id": letter, "until": until},
        "/desk/letters/discard": group | {"letter_id": letter, "reason": "xxx"},
        f"/desk/letters/{OWNER}/{letter}/edit": edit,
        f"/desk/letters/{OWNER}/{letter}/reveal": {},
        f"/desk/effects/{OWNER}/{uuid4()}/settle": {"verdict": "applied", "evidence": "xxx"},
    }
    await on.browser.sign_in("vic")
    for path in ("/desk", f"/desk/parked?owner={OWNER}&cause=sku_unlinked", "/desk/letters?" + urlencode(group)):
        page = await on.browser.get(path)
        assert page.status == 200
        assert "<button" not in page.body[page.body.index("<main") : page.body.index("</main")]
    assert (await on.browser.get(f"/desk/letters/{OWNER}/{letter}")).status == 403
    for path, form in posts.items():
        assert (await on.post(path, form)).status == 403, path

    await on.browser.sign_in("els")
    page = (await on.browser.get("/desk")).body
    assert ("sku_unlinked" in page, "/desk/letters?" in page) == (False, False)
    for each in (letter, nobodys):
        assert (await on.browser.get(f"/desk/letters/{OWNER}/{each}")).status == 404
        assert (await on.post(f"/desk/letters/{OWNER}/{each}/edit", edit)).status == 404
    assert (await on.post("/desk/parked/close", close)).status == 404
    await on.post("/desk/letters/discard", posts["/desk/letters/discard"])
    assert set((await on.states()).values()) == {"open"}
    assert len(await on.owner.parked()) == 1
    await on.browser.sign_in("ada")
    assert (await on.browser.get(f"/desk/letters/{OWNER}/{nobodys}")).status == 200, "who sees all tenants sees it"
    assert (await on.browser.get(f"/desk/letters/elsewhere.example/{nobodys}")).status == 404


def test_owners_are_services_of_ours() -> None:
    assert {"order-ingest", "ops-console", "order-router"} <= set(OWNERS)


def test_changes_are_told_leaf_by_leaf() -> None:
    told = [
        (one.path, one.before, one.after)
        for one in changes('{"a": {"b": 1}, "c": [1, 2]}', '{"a": {"b": 2}, "c": [1]}')
    ]
    assert told == [("a/b", "1", "2"), ("c/1", "2", "–")]
    assert changes("<html>", "{}")[0].path == "everything"
    with pytest.raises(ValueError, match="unexpected"):
        changes("{}", "{half")
