"""Rules about what code does, read from its syntax tree. Each tells the failure that it prevents.

A line may be excused with `# lint-skip: <rule>` and a reason after it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .model import Finding, Source

WALL_CLOCK = {"now", "utcnow", "today", "fromtimestamp"}
MONEY_NAMES = ("price", "amount", "money", "cost")
HTTP_MODULES = {"httpx", "requests", "aiohttp", "urllib"}


def no_commit_in_handlers(source: Source) -> Iterator[Finding]:
    """A handler that commits tears its batch apart: events are handled, and told to nobody.

    Flags `.commit(` and `.transaction(` in `handlers.py`, `store.py` and `effects.py` of services: the runtime opens
    and ends the one transaction.
    """
    if not _is_service(source) or source.path.name not in ("handlers.py", "store.py", "effects.py"):
        return
    for node in _calls(source):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("commit", "transaction"):
            yield _finding(source, node, "no-commit-in-handlers", "the runtime opens and commits the transaction")


def no_http_in_transaction(source: Source) -> Iterator[Finding]:
    """A call outside while row locks are held stops everybody else for as long as a marketplace takes to answer.

    Flags awaiting a connector, a caller or an HTTP client inside `async with ….begin() as tx`.
    """
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.AsyncWith) or not any(_opens_transaction(item) for item in node.items):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Await) and isinstance(inner.value, ast.Call) and _goes_outside(inner.value):
                yield _finding(source, inner, "no-http-in-transaction", "call outside first, open the transaction then")


def no_bare_commit(source: Source) -> Iterator[Finding]:
    """`consumer.commit()` without offsets commits what was fetched, not what was handled: a crash then loses events."""
    for node in _calls(source):
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "commit" or node.args or node.keywords:
            continue
        if "consumer" in ast.unparse(node.func.value).lower():
            yield _finding(source, node, "no-bare-commit", "commit explicit offsets")


def no_float_money(source: Source) -> Iterator[Finding]:
    """A float has lost cents before anybody rounds: sums no longer add up to what the buyer paid.

    Flags `float(…)` around names of money and annotations of money as float, outside tests.
    """
    if _is_test(source):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float" and node.args:
            if _names_money(ast.unparse(node.args[0])):
                yield _finding(source, node, "no-float-money", "use Decimal for money")
        elif (
            isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name) and node.annotation.id == "float"
        ) and _names_money(ast.unparse(node.target)):
            yield _finding(source, node, "no-float-money", "annotate money as Decimal")


def no_wall_clock(source: Source) -> Iterator[Finding]:
    """Code that asks the machine for the time cannot be tested, replayed, or trusted on a skewed clock.

    Flags `datetime.now(…)`, `time.time()` and the like in services, connectors and the runtime, except in `clock.py`.
    """
    if source.path.parts[0] not in ("services", "libs") or source.path.name == "clock.py" or _is_test(source):
        return
    for node in _calls(source):
        if not isinstance(node.func, ast.Attribute):
            continue
        owner = ast.unparse(node.func.value)
        wall = owner in ("datetime", "date", "datetime.datetime") and node.func.attr in WALL_CLOCK
        if wall or (owner == "time" and node.func.attr in ("time", "monotonic")):
            if node.func.attr == "fromtimestamp":
                continue
            yield _finding(source, node, "no-wall-clock", "use the injected Clock")


def handlers_end_with_routes(source: Source) -> Iterator[Finding]:
    """One glance at the end of `handlers.py` must tell what a service reacts to."""
    if not _is_service(source) or source.path.name != "handlers.py" or _is_test(source):
        return
    statements = [node for node in source.tree.body if not isinstance(node, ast.Expr)]
    last = statements[-1] if statements else None
    target = last.target if isinstance(last, ast.AnnAssign) else None
    if not (isinstance(target, ast.Name) and target.id == "ROUTES"):
        yield Finding(source.path, len(source.lines), "handlers-end-with-routes", "the last statement must be ROUTES")


def _is_service(source: Source) -> bool:
    return source.path.parts[0] == "services" and not _is_test(source)


def _is_test(source: Source) -> bool:
    return "tests" in source.path.parts or "testing" in source.path.parts or "sandbox" in source.path.parts


def _calls(source: Source) -> Iterator[ast.Call]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield node


def _opens_transaction(item: ast.withitem) -> bool:
    call = item.context_expr
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("begin", "transaction")
    )


def _goes_outside(call: ast.Call) -> bool:
    text = ast.unparse(call.func)
    return text.split(".")[0] in HTTP_MODULES or any(
        part in ("connector", "caller", "http", "speaker") for part in text.split(".")[:-1]
    )


def _names_money(text: str) -> bool:
    lowered = text.lower()
    return any(name in lowered for name in MONEY_NAMES)


def _finding(source: Source, node: ast.stmt | ast.expr, rule: str, message: str) -> Finding:
    return Finding(source.path, node.lineno, rule, message)
