"""What becomes of a product file over time: transformed by Mirakl, then looked at by the operator (P42's states).

Rows are refused with Mirakl's codes. What is wrong with a row is decided by its cells, so a test or a demonstration
writes the file that fails the way it wants: columns `sku`, `category`, `title` are mandatory; `color`, `pieces` and
`weight` have rules; the brand `NOBRAND` is refused by the operator afterwards.
"""

from __future__ import annotations

from datetime import datetime

from connector_kit.simulator import Record
from connector_mirakl.sandbox.world import SimProductImport, World

STATES = ("TRANSFORMATION_WAITING", "TRANSFORMATION_RUNNING", "WAITING", "SENT", "COMPLETE")
"""One step of the clock each."""
ENDED = frozenset({"COMPLETE", "TRANSFORMATION_FAILED"})
CATEGORIES = frozenset({"SMARTPHONE", "COQUE", "DEMO"})
COLORS = frozenset({"Noir", "Blanc", "Bleu"})
REFUSED_BRAND = "NOBRAND"


def advance_products(world: World, step_seconds: float, record: Record, now: datetime) -> None:
    """Bring every product import up to `now`."""
    for running in world.product_imports.values():
        if running.status in ENDED:
            continue
        step = int((now - running.created).total_seconds() / step_seconds)
        if step >= 2 and running.fails:
            running.status = "TRANSFORMATION_FAILED"
            continue
        if step >= 2 and STATES.index(running.status) < 2:
            _transform(running)
        running.status = STATES[min(step, len(STATES) - 1)]
        if running.status == "COMPLETE":
            _decide(world, running, record)


def _transform(running: SimProductImport) -> None:
    for line, row in enumerate(running.rows, start=2):
        if len(row) != len(running.header):
            running.errors[line] = ["1002|Incorrect number of fields"]
            continue
        cells = dict(zip(running.header, row, strict=True))
        found = [f"1000|The attribute {name} is required" for name in ("sku", "title") if not cells.get(name)]
        found += [*_category(cells), *_values(cells)]
        if found:
            running.errors[line] = found
        if not cells.get("description"):
            running.warnings[line] = ["2000|The attribute description is recommended"]


def _category(cells: dict[str, str]) -> list[str]:
    category = cells.get("category")
    if category is None:
        return ["1004|The category could not be identified"]
    if not category:
        return ["1000|The attribute category is required"]
    if category.startswith("UNMAPPED"):
        return [f"1006|The catalog category {category} must be mapped to a leaf operator catalog category"]
    return [] if category in CATEGORIES else [f"1001|The category {category} is unknown"]


def _values(cells: dict[str, str]) -> list[str]:
    found = []
    color, pieces, weight = cells.get("color"), cells.get("pieces"), cells.get("weight")
    if color and color not in COLORS:
        found.append("2006|The attribute color is not in the possible values set in the value list")
    if pieces and not pieces.isdigit():
        found.append("2010|The attribute pieces must be an integer")
    if weight and not weight.replace(".", "", 1).isdigit():
        found.append("2011|The attribute weight must be numeric")
    return found


def _decide(world: World, running: SimProductImport, record: Record) -> None:
    """The operator takes or refuses what came through."""
    for line, row in enumerate(running.rows, start=2):
        if line in running.errors:
            continue
        cells = dict(zip(running.header, row, strict=True))
        if cells.get("brand") == REFUSED_BRAND:
            running.refused[line] = "The brand is not sold here"
            continue
        sku = cells["sku"]
        if sku not in world.products:
            running.added.append(sku)
        world.products.add(sku)
        record.add("product", sku, import_id=running.id)
