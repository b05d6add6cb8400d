"""catalog-feed on a real database and over HTTP: what is published, what is withheld, who may fetch it."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Any

import pytest

from catalog_feed.main import SPEC
from hub_common.testing.schema import schema_differences
from hub_contracts.catalog import FeedBlocked, FeedPublished
from hub_contracts.connections import ConnectionKind
from hub_contracts.orders import Environment
from hub_contracts.work import WorkParked, WorkResumed

from .conftest import EAN, GOOD, MARKET, OTHER_MARKET, SHOP, Stage

TEN = [f"S{n}" for n in range(10)]


def rows_of(content: bytes) -> dict[str, dict[str, str]]:
    return {row["sku"]: row for row in csv.DictReader(io.StringIO(content.decode(), newline=""))}


async def fetched(stage: Stage, **headers: str) -> Any:
    return await stage.root.get(await stage.address(), headers=headers)


async def test_migrated_schema_is_what_the_code_believes(stage: Stage) -> None:
    dsn = stage.h.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, SPEC.metadata) == []


async def test_offers_and_products_become_a_file_at_the_secret_address(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A", "B")
    await stage.offers("A", "B")
    assert await stage.build() == 1
    answer = await fetched(stage)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    found = rows_of(answer.content)
    assert list(found) == ["A", "B"]
    assert (found["A"]["Carrier Grid"], found["A"]["quantity"], found["A"]["ean"]) == ("Standard", "5", EAN)
    published = await stage.told(FeedPublished)
    digest = hashlib.sha256(answer.content).hexdigest()
    assert [(p.connection_id, p.feed, p.version, p.rows, p.sha256) for p in published] == [
        (MARKET, "catalogue", 1, 2, digest)
    ]


async def test_many_changes_are_one_version_and_no_change_is_none(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A")
    for available in range(5):
        await stage.offers("A", available=available)
    assert await stage.build(seconds=1) == 0
    assert await stage.build() == 1
    await stage.offers("A", available=4)
    assert await stage.build() == 1
    assert len(await stage.told(FeedPublished)) == 1
    assert await stage.build() == 0


async def test_older_words_on_an_offer_change_nothing(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A")
    key, old = stage.offer("A", 1)
    record = stage.h.record(key, old)
    await stage.offers("A", available=9)
    await stage.h.runtime.inbox.process([record])
    await stage.build()
    assert rows_of((await fetched(stage)).content)["A"]["quantity"] == "9"


async def test_a_hole_blocks_is_told_once_and_heals_by_itself(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A")
    await stage.offers("A")
    await stage.build()
    before = (await fetched(stage)).content
    await stage.offers("NEW")
    await stage.build()
    await stage.offers("A", available=1)
    await stage.build()
    blocked = await stage.told(FeedBlocked)
    assert len(blocked) == 1
    assert "NEW: brand is empty" in blocked[0].problems
    assert [(p.cause, p.subject_kind) for p in await stage.told(WorkParked)] == [("feed_blocked", "feed")]
    assert (await fetched(stage)).content == before
    assert "NEW: brand is empty" in (await stage.get(f"/feeds/{MARKET}"))["problems"]
    await stage.products("NEW")
    await stage.build()
    found = rows_of((await fetched(stage)).content)
    assert (set(found), found["A"]["quantity"]) == ({"A", "NEW"}, "1")
    assert await stage.h.parked() == []
    assert (await stage.get(f"/feeds/{MARKET}"))["problems"] == []


async def make_it_shrink(stage: Stage) -> None:
    """Seven of ten articles lose their product and are left out."""
    await stage.stand(bad_rows="leave_out")
    await stage.products(*TEN)
    await stage.offers(*TEN)
    await stage.build()
    await stage.h.runtime.pool.execute("DELETE FROM products WHERE shop_sku = ANY($1)", TEN[:7])
    await stage.offers("S9", available=1)
    await stage.build()


async def test_a_feed_that_shrinks_is_withheld_until_somebody_forces_it(stage: Stage) -> None:
    await make_it_shrink(stage)
    assert len(rows_of((await fetched(stage)).content)) == 10
    assert [b.rows for b in await stage.told(FeedBlocked)] == [3]
    assert [p["cause"] for p in await stage.h.parked()] == ["feed_shrunk"]
    versions = (await stage.get(f"/feeds/{MARKET}/versions"))["items"]
    assert [(v["version"], v["state"], v["rows"]) for v in versions] == [(2, "withheld", 3), (1, "published", 10)]
    answer = await stage.client.post(f"/v1/feeds/{MARKET}/versions/2/force", json={"reason": "season is over"})
    assert answer.status_code == 200
    assert len(rows_of((await fetched(stage)).content)) == 3
    assert [p.version for p in await stage.told(FeedPublished)] == [1, 2]
    assert await stage.h.parked() == []
    again = await stage.client.post(f"/v1/feeds/{MARKET}/versions/2/force", json={"reason": "once more"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:hub:problem:version-not-withheld")
    await stage.build()
    assert [p.version for p in await stage.told(FeedPublished)] == [1, 2]


async def test_a_withheld_version_is_void_once_the_catalogue_is_back(stage: Stage) -> None:
    await make_it_shrink(stage)
    await stage.products(*TEN)
    await stage.offers("S9")
    await stage.build()
    answer = await stage.client.post(f"/v1/feeds/{MARKET}/versions/2/force", json={"reason": "too late"})
    assert answer.status_code == 409
    assert len(rows_of((await fetched(stage)).content)) == 10
    assert await stage.h.parked() == []
    assert len(await stage.told(WorkResumed)) == 1


async def test_the_same_withheld_feed_is_not_told_again(stage: Stage) -> None:
    await make_it_shrink(stage)
    for _ in range(2):
        await stage.connect(MARKET)
        await stage.build()
    assert len(await stage.told(FeedBlocked)) == 1
    assert len((await stage.get(f"/feeds/{MARKET}/versions"))["items"]) == 2


async def test_only_the_address_opens_the_feed(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A")
    await stage.offers("A")
    await stage.build()
    path = await stage.address()
    assert (await stage.root.get(path)).status_code == 200
    wrong = [
        path[:-5] + "x.csv",
        f"/feeds/{MARKET}/.csv",
        f"/feeds/{OTHER_MARKET}/{path.split('/')[-1]}",
        "/feeds/x/y.csv",
    ]
    for other in wrong:
        answer = await stage.root.get(other)
        assert answer.status_code == 404, other
    answers = [(await stage.root.get(other)).json() for other in wrong[2:]]
    assert len({(answer["type"], answer["detail"]) for answer in answers}) == 1
    rotated = (await stage.client.post(f"/v1/feeds/{MARKET}/rotate")).json()["address"]
    assert rotated.startswith("https://hub.example.invalid/feeds/")
    assert (await stage.root.get(path)).status_code == 404
    assert (await stage.root.get(await stage.address())).status_code == 200


async def test_the_token_is_not_kept_in_the_clear(stage: Stage) -> None:
    await stage.stand()
    token = (await stage.address()).split("/")[-1].removesuffix(".csv")
    row = await stage.h.runtime.pool.fetchrow("SELECT * FROM feed_profiles")
    assert row is not None
    assert token not in str(dict(row))
    assert token not in str(await stage.get("/feeds"))


async def test_an_unchanged_file_is_not_sent_again_and_fetching_is_noted(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A")
    await stage.offers("A")
    not_yet = await fetched(stage)
    assert (not_yet.status_code, not_yet.json()["type"]) == (404, "urn:hub:problem:feed-not-published")
    await stage.build()
    first = await fetched(stage)
    assert first.headers["last-modified"].endswith("GMT")
    second = await fetched(stage, **{"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")
    head = await stage.root.head(await stage.address())
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", first.headers["etag"])
    shown = await stage.get(f"/feeds/{MARKET}")
    assert (shown["fetches"], shown["last_fetched_version"]) == (3, 1)
    assert shown["last_fetched_at"] is not None
    await stage.offers("A", available=1)
    await stage.build()
    assert (await fetched(stage, **{"If-None-Match": first.headers["etag"]})).status_code == 200


async def test_versions_can_be_downloaded_and_old_content_is_dropped(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A")
    for available in range(4):
        await stage.offers("A", available=available)
        await stage.build()
    items = (await stage.get(f"/feeds/{MARKET}/versions"))["items"]
    assert [(item["version"], item["kept"]) for item in items] == [(4, True), (3, True), (2, False), (1, False)]
    answer = await stage.client.get(f"/v1/feeds/{MARKET}/versions/3")
    assert hashlib.sha256(answer.content).hexdigest() == items[1]["sha256"]
    assert (await stage.client.get(f"/v1/feeds/{MARKET}/versions/1")).status_code == 404


async def test_the_preview_shows_problems_and_publishes_nothing(stage: Stage) -> None:
    await stage.stand()
    await stage.offers("A")
    found = await stage.get(f"/feeds/{MARKET}/preview")
    assert found["outcome"] == "blocked"
    assert ("A", "brand", "is empty") in [(p["sku"], p["column"], p["rule"]) for p in found["problems"]]
    assert await stage.told(FeedBlocked) == []
    await stage.products("A")
    found = await stage.get(f"/feeds/{MARKET}/preview", params={"limit": 1})
    assert (found["outcome"], found["rows"], len(found["text"].splitlines())) == ("publish", 1, 2)
    assert await stage.told(FeedPublished) == []


async def test_building_at_once_and_reading_our_own_file_back(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A", "B")
    await stage.offers("A", "B")
    assert (await stage.client.post(f"/v1/feeds/{MARKET}/self-check")).status_code == 409
    assert (await stage.client.post(f"/v1/feeds/{MARKET}/build")).json()["outcome"] == "publish"
    check = (await stage.client.post(f"/v1/feeds/{MARKET}/self-check")).json()
    assert check == {"version": 1, "ok": True, "defects": [], "outdated": []}
    await stage.offers("B", available=0)
    assert (await stage.client.post(f"/v1/feeds/{MARKET}/self-check")).json()["outdated"] == ["B"]
    await stage.h.runtime.pool.execute("UPDATE feeds SET content = content || 'x'::bytea")
    assert not (await stage.client.post(f"/v1/feeds/{MARKET}/self-check")).json()["ok"]


async def test_an_article_lists_the_options_named_for_it_and_a_lost_template_blocks(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A", "B")
    await stage.offers("A", "B")
    await stage.template("Pallet / FR")
    assert (await stage.put(f"/feeds/{MARKET}/assignments", {"assignments": {"A": ["Pallet / FR"]}})).status_code == 200
    await stage.build()
    found = rows_of((await fetched(stage)).content)
    assert {sku: row["Carrier Grid"] for sku, row in found.items()} == {"A": "Pallet / FR", "B": "Standard"}
    assert (await stage.client.delete(f"/v1/feeds/{MARKET}/templates/Pallet / FR")).status_code == 200
    await stage.build()
    assert "names the template 'Pallet / FR', which does not exist" in (await stage.told(FeedBlocked))[0].problems[0]
    assert (await stage.put(f"/feeds/{MARKET}/assignments", {"assignments": {"A": []}})).status_code == 200
    await stage.build()
    assert rows_of((await fetched(stage)).content)["A"]["Carrier Grid"] == "Standard"


async def test_offers_of_the_other_environment_never_get_into_a_feed(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A", "B")
    await stage.offers("A")
    await stage.offers("B", environment=Environment.PRODUCTION)
    await stage.build()
    assert list(rows_of((await fetched(stage)).content)) == ["A"]


async def test_products_come_by_csv_all_rows_or_none(stage: Stage) -> None:
    await stage.stand()
    await stage.offers("A", "B")
    head = "shop_connection_id;shop_sku;ean;brand;title;description;image_1\n"
    row = ";".join((str(SHOP), "{}", EAN, "Lumen", "Lamp", '"two\nlines"', "https://i.example.invalid/1.jpg"))
    path = "/v1/products/import"
    bad = await stage.client.post(
        path, content=head + row.format("A") + "\n" + row.format("B").replace(EAN, "1") + "\n"
    )
    assert bad.status_code == 422
    assert [(e["pointer"], e["detail"][:7]) for e in bad.json()["errors"]] == [("row:3/ean", "must be")]
    assert (await stage.get("/products"))["items"] == []
    good = head + row.format("A") + "\n" + row.format("B") + "\n"
    dry = await stage.client.post(path, params={"dry_run": True}, content=good)
    assert dry.json() == {"dry_run": True, "products": 2}
    assert (await stage.get("/products"))["items"] == []
    assert (await stage.client.post(path, content=good)).json() == {"dry_run": False, "products": 2}
    await stage.build()
    assert rows_of((await fetched(stage)).content)["B"]["description"] == "two\nlines"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (f"/feeds/{MARKET}", {"shrink": 1}, "#/shrink"),
        (f"/feeds/{MARKET}", {"shrink_percent": 101}, "#/shrink_percent"),
        (f"/feeds/{MARKET}", {"headers": {"ean": "sku"}}, "#"),
        (f"/feeds/{MARKET}", {"mandatory": ["sku", "colour"]}, "#/mandatory/1"),
        (
            f"/feeds/{MARKET}/templates/X",
            {"countries": ["FR"], "cost": 4.9, "lead_days_min": 1, "lead_days_max": 2},
            "#/cost",
        ),
        (
            f"/feeds/{MARKET}/templates/X",
            {"countries": ["fr"], "cost": "4", "lead_days_min": 1, "lead_days_max": 2},
            "#/countries/0",
        ),
        (
            f"/feeds/{MARKET}/templates/X",
            {"countries": ["FR"], "cost": "4", "lead_days_min": 2, "lead_days_max": 2},
            "#",
        ),
        (
            f"/feeds/{MARKET}/templates/A|B",
            {"countries": ["FR"], "cost": "4", "lead_days_min": 1, "lead_days_max": 2},
            "path:/name",
        ),
        (f"/feeds/{MARKET}/assignments", {"assignments": {"A/1": ["Nope"]}}, "#/assignments/A~11/0"),
        ("/products", {"products": [GOOD | {"shop_sku": "A", "ean": "12"}]}, "#/products/0/ean"),
        (
            "/products",
            {"products": [GOOD | {"shop_sku": "A", "shop_connection_id": str(MARKET)}]},
            "#/products/0/shop_connection_id",
        ),
    ],
)
async def test_bad_input_is_refused_by_field_and_rule(stage: Stage, path: str, body: Any, pointer: str) -> None:
    await stage.stand()
    answer = await stage.put(path, body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_feeds_belong_to_marketplaces_that_are_known(stage: Stage) -> None:
    await stage.connect(SHOP, ConnectionKind.SHOP)
    assert (await stage.put(f"/feeds/{SHOP}", {})).status_code == 404
    assert (await stage.put(f"/feeds/{OTHER_MARKET}", {})).status_code == 404
    for path in (
        f"/feeds/{MARKET}",
        f"/feeds/{MARKET}/address",
        f"/feeds/{MARKET}/preview",
        f"/feeds/{MARKET}/versions",
    ):
        assert (await stage.client.get(f"/v1{path}")).status_code == 404
    assert (await stage.client.post(f"/v1/feeds/{MARKET}/rotate")).status_code == 404


async def test_strangers_see_nothing_but_feeds(stage: Stage) -> None:
    await stage.stand()
    for path in ("/feeds", f"/feeds/{MARKET}", f"/feeds/{MARKET}/address", "/products"):
        assert (await stage.root.get(f"/v1{path}")).status_code == 401
