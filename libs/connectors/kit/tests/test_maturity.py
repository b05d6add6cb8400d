"""The maturity checker: what is claimed must be there, what is not done must say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_kit.maturity import check_maturity, read_maturity, required_items

from .toy import MANIFEST

PROOF = "tests/test_it.py::TestIt::test_proven"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("class TestIt:\n    def test_proven(self): ...\n")
    return tmp_path


def state(folder: Path, done: dict[str, str] | None = None, more: str = "") -> list[str]:
    """Problems of a file that states every item as done, but for changes."""
    items = dict.fromkeys(required_items(MANIFEST), PROOF) | (done or {})
    lines = [f'"{item}" = "{proof}"' for item, proof in items.items() if proof]
    (folder / "MATURITY.toml").write_text("[done]\n" + "\n".join(lines) + "\n" + more)
    return check_maturity(folder, MANIFEST)


def test_complete_file_is_fine(folder: Path) -> None:
    assert state(folder) == []


def test_missing_file_is_said(folder: Path) -> None:
    assert "missing" in check_maturity(folder, MANIFEST)[0]


def test_broken_file_is_said(folder: Path) -> None:
    (folder / "MATURITY.toml").write_text("[done\n")
    assert "not readable" in check_maturity(folder, MANIFEST)[0]


def test_unstated_item_is_said_with_its_claim(folder: Path) -> None:
    [problem] = state(folder, {"orders.money": ""})
    assert problem.startswith("orders.money: stated nowhere (amounts are exact")


def test_effects_need_two_items_and_readings_one(folder: Path) -> None:
    items = required_items(MANIFEST)
    assert {"accept.applied", "accept.doubt", "stock.applied", "stock.doubt"} <= set(items)
    assert "refund.applied" not in items


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        ("tests/test_it.py::TestIt::test_absent", "no test 'test_absent'"),
        ("tests/test_it.py::TestOther::test_proven", "no test 'TestOther'"),
        ("tests/test_gone.py::test_proven", "existing file"),
        ("tests/test_it.py", "existing file"),
        ("we tried it once", "existing file"),
    ],
)
def test_evidence_must_exist(folder: Path, proof: str, said: str) -> None:
    [problem] = state(folder, {"orders.money": proof})
    assert problem.startswith("done: orders.money: ")
    assert said in problem


def test_inherited_case_of_the_suite_is_evidence(folder: Path) -> None:
    class TestIt:
        def test_inherited(self) -> None:
            """Stands for a case of the suite."""

    proof = {"orders.money": "tests/test_it.py::TestIt::test_inherited"}
    assert state(folder, proof) != []
    assert check_maturity(folder, MANIFEST, TestIt) == []


def test_todo_needs_a_reason_and_no_second_place(folder: Path) -> None:
    problems = state(folder, {"orders.time": ""}, '[todo]\n"orders.time" = " "\n"orders.money" = "later"\n')
    assert "todo: orders.time: a reason is required" in problems
    assert "orders.money: stated twice (done, todo)" in problems


def test_unknown_group_is_said(folder: Path) -> None:
    assert any("[dome]" in problem for problem in state(folder, more='[dome]\n"x" = "y"\n'))


def test_failing_cases_are_read(folder: Path) -> None:
    state(folder, more='[failing]\n"test_x[ship]" = "the simulator lacks it"\n')
    assert read_maturity(folder).failing == {"test_x[ship]": "the simulator lacks it"}
