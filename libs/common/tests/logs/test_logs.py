"""Nothing reaches a log line that was not allowed."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from hub_common.logs import ALLOWED, SECRET_NAME, allow_list, bound, get_logger, mask_text, setup_logging

CANARY = "canary-s3cret"


class Lines(io.StringIO):
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.all()[-1]


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = Lines()
    setup_logging(level="INFO", stream=stream, now=lambda: datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
    yield stream
    setup_logging(now=lambda: datetime.now(UTC))
    logging.getLogger().setLevel(logging.WARNING)


def test_known_keys_have_values_and_unknown_ones_only_names(lines: Lines) -> None:
    order = UUID(int=7)
    get_logger("order-ingest").info("handled", order_id=order, count=3, seconds=0.5, email=CANARY, api_key=CANARY)
    assert lines.last() == {
        "timestamp": "2026-11-02T09:00:00.000Z",
        "level": "info",
        "service": "order-ingest",
        "event": "handled",
        "order_id": str(order),
        "count": 3,
        "seconds": 0.5,
        "dropped": ["api_key", "email"],
    }


def test_order_of_keys_is_fixed(lines: Lines) -> None:
    get_logger("s").info("x", count=1)
    assert list(lines.last())[:4] == ["timestamp", "level", "service", "event"]


@pytest.mark.parametrize("value", [{"a": CANARY}, [{"a": CANARY}], b"canary-s3cret", object(), [CANARY] * 99])
def test_values_that_are_not_plain_are_dropped(lines: Lines, value: object) -> None:
    get_logger("s").info("x", detail=value)
    assert CANARY not in lines.getvalue()
    assert lines.last()["dropped"] == ["detail"]


def test_plain_values(lines: Lines) -> None:
    get_logger("s").info("x", detail=Decimal("1.10"), count=None, offsets=[1, 2], key_id=SecretStr(CANARY))
    assert (lines.last()["detail"], lines.last()["offsets"], lines.last()["key_id"]) == ("1.10", [1, 2], "***")


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"authorization={CANARY}",
        f"x-api-key: {CANARY}",
        f"GET /x?token={CANARY}&a=1",
        f'{{"password": "{CANARY}"}}',
        f"postgresql://hub:{CANARY}@db/x",
        f"Basic {CANARY}",
    ],
)
def test_credentials_inside_texts_are_masked(text: str) -> None:
    assert CANARY not in mask_text(text)


def test_long_texts_are_cut() -> None:
    assert len(mask_text("x" * 10_000)) == 500


def test_exceptions_show_type_and_place_and_no_message(lines: Lines) -> None:
    log = get_logger("s")
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        log.exception("failed")
        log.error("failed", exc_info=error)
    for line in lines.all():
        assert (line["level"], line["error"]) == ("error", "ValueError")
        assert "test_logs" in line["stack"]
    assert CANARY not in lines.getvalue()


def test_levels(lines: Lines) -> None:
    get_logger("s").debug("x")
    assert lines.getvalue() == ""
    with pytest.raises(ValueError, match="LOUD"):
        setup_logging(level="LOUD")


async def test_bound_keys_stay_in_their_task(lines: Lines) -> None:
    async def work(number: int) -> None:
        with bound(order_id=str(number)):
            await asyncio.sleep(0)
            get_logger("s").info("x", count=number)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert all(line["order_id"] == str(line["count"]) for line in lines.all())
    get_logger("s").info("after")
    assert "order_id" not in lines.last()


def test_lines_of_libraries_go_through_the_same_list(lines: Lines) -> None:
    try:
        raise RuntimeError(CANARY)
    except RuntimeError:
        logging.getLogger("some.lib").exception("request failed: token=%s\n%s", CANARY, CANARY)
    logging.getLogger("some.lib").info("not shown")
    assert CANARY not in lines.getvalue()
    assert len(lines.all()) == 1
    assert (lines.last()["library"], lines.last()["error"]) == ("some.lib", "RuntimeError")


def test_console_format_has_the_same_rules() -> None:
    stream = io.StringIO()
    setup_logging("console", stream=stream)
    try:
        get_logger("s").info("hello", count=2, email=CANARY)
    finally:
        setup_logging()
    assert "hello" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_without_set_up_the_list_holds_too(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("s").warning("x", email=CANARY)
    assert CANARY not in capsys.readouterr().err


def test_no_allowed_key_is_named_like_a_secret() -> None:
    assert not [key for key in ALLOWED if SECRET_NAME.search(key)]


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(min_size=12, max_size=30), max_size=6))
def test_unknown_keys_never_keep_their_values(extra: dict[str, str]) -> None:
    unknown = {key: value for key, value in extra.items() if key not in ALLOWED | {"event", "exc_info"}}
    kept = allow_list(None, "info", {"event": "e", **unknown})
    assert set(kept) <= {"event", "dropped"}
