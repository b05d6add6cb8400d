"""Each rule finds what it is for and leaves alone what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub_tools.lint import code_rules
from hub_tools.lint.model import Source
from hub_tools.lint.rules import Rule, file_length

HANDLERS = "services/x/x/handlers.py"
DOMAIN = "services/x/x/domain.py"


def source(path: str, text: str) -> Source:
    return Source(Path(path), text.splitlines())


@pytest.mark.parametrize(
    ("rule", "path", "bad", "good"),
    [
        (
            code_rules.no_commit_in_handlers,
            HANDLERS,
            "async def h(tx, events):\n    await tx.conn.commit()",
            "async def h(tx, events):\n    await tx.conn.execute('x')",
        ),
        (
            code_rules.no_http_in_transaction,
            HANDLERS,
            "async def f(t, connector):\n    async with t.begin() as tx:\n        await connector.accept([])",
            "async def f(t, connector):\n  x = await connector.accept([])\n  async with t.begin() as tx:\n    pass",
        ),
        (
            code_rules.no_bare_commit,
            "libs/common/x.py",
            "async def f(consumer):\n    await consumer.commit()",
            "async def f(consumer):\n    await consumer.commit({1: 2})",
        ),
        (code_rules.no_float_money, DOMAIN, "x = float(order.total_price)", "x = float(seconds)"),
        (code_rules.no_float_money, DOMAIN, "class A:\n    amount: float", "class A:\n    amount: Decimal"),
        (code_rules.no_wall_clock, DOMAIN, "x = datetime.now(UTC)", "x = clock.now()"),
        (code_rules.no_wall_clock, DOMAIN, "x = time.monotonic()", "x = clock.monotonic()"),
        (
            code_rules.handlers_end_with_routes,
            HANDLERS,
            "ROUTES: Routes = {}\n\n\ndef f() -> None:\n    pass",
            "def f() -> None:\n    pass\n\n\nROUTES: Routes = {}",
        ),
        (file_length, DOMAIN, "x = 1\n" * 401, "x = 1\n" * 400),
    ],
)
def test_a_rule_finds_what_it_is_for(rule: Rule, path: str, bad: str, good: str) -> None:
    assert list(rule(source(path, bad))), "the bad example must be found"
    assert list(rule(source(path, good))) == []


def test_an_excused_line_is_left_alone() -> None:
    text = source(DOMAIN, "x = datetime.now(UTC)  # lint-skip: no-wall-clock  the line of a log")
    assert text.excused(1, "no-wall-clock")
    assert not text.excused(1, "no-float-money")
