"""Which cases run, are skipped or expected to fail, as somebody sees it who inherits the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HEAD = """
import importlib.util, sys
from dataclasses import replace
from pathlib import Path
import pytest
from connector_kit.conformance import MarketplaceConformance, Subject
sys.path.insert(0, {path!r})
spec = importlib.util.spec_from_file_location("toys", {init!r}, submodule_search_locations=[{path!r}])
sys.modules["toys"] = importlib.util.module_from_spec(spec)
from toys.toy_readings_outside import reading_subject
from toys.toy_subject import toy_subject
from toys.wrong_toys import ProbeNeverSeesIt

class TestIt(MarketplaceConformance):
    @pytest.fixture
    def subject(self):
        return {subject}
"""
HERE = Path(__file__).parent
SELECT = ("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-rsxX")


def outcome(pytester: pytest.Pytester, subject: str, *select: str) -> pytest.RunResult:
    """Run chosen cases of the suite on a subject."""
    pytester.makepyfile(test_it=HEAD.format(path=str(HERE), init=str(HERE / "__init__.py"), subject=subject))
    return pytester.runpytest_subprocess(*SELECT, *select)


def test_kinds_follow_from_the_manifest(pytester: pytest.Pytester) -> None:
    """No case of an effect that the connector does not declare is even collected."""
    result = outcome(pytester, "toy_subject()", "--collect-only", "-q", "-k", "applied_once")
    names = [line.split("::")[-1] for line in result.outlines if "test_effect_is_applied_once" in line]
    assert names == [f"test_effect_is_applied_once[{kind}]" for kind in ("accept", "refuse", "ship", "set_stock")]


def test_exempt_case_is_skipped_with_its_reason(pytester: pytest.Pytester) -> None:
    subject = (
        "replace(toy_subject(), not_applicable={'*[ship]': 'parcels go by post', 'test_empty_listing_ends': 'why'})"
    )
    result = outcome(pytester, subject, "-k", "applied_once and ship or empty_listing")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["*does not apply: parcels go by post*", "*does not apply: why*"])


def test_undeclared_exemption_fails(pytester: pytest.Pytester) -> None:
    """A case without its fault switch, and without a word on why, is no silent skip."""
    result = outcome(pytester, "replace(toy_subject(), not_applicable={})", "-k", "pages_shift")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*FaultNames.page_shift*"])


READS = ("returns", "messages", "offers", "documents", "order_export")


def test_readings_follow_from_the_manifest(pytester: pytest.Pytester) -> None:
    """One round per reading capability that is declared; of the others nothing runs."""
    result = outcome(pytester, "reading_subject()", "--collect-only", "-q", "-k", "nothing_there")
    names = [line.split("::")[-1] for line in result.outlines if "test_nothing_there_is_no_error" in line]
    assert names == [f"test_nothing_there_is_no_error[{name}]" for name in READS]
    result = outcome(pytester, "toy_subject()", "-k", "nothing_there or good_notice")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["*does not declare notices*"])


@pytest.mark.parametrize(
    ("left_out", "cases", "said"),
    [
        ("facts={}", "nothing_is_lost_while_more and returns", "*Subject.facts?'returns'?*not_applicable*"),
        ("notice=None", "late_notice", "*Subject.notice*not_applicable*"),
    ],
)
def test_declared_reading_without_its_hook_fails(
    pytester: pytest.Pytester, left_out: str, cases: str, said: str
) -> None:
    """What nobody set up is no silent skip; with a word on why, it is a skip that shows the word."""
    result = outcome(pytester, f"replace(reading_subject(), {left_out})", "-k", cases)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([said])
    why = "not_applicable={'*[returns]': 'made by hand there', '*[notices]': 'made by hand there'}"
    result = outcome(pytester, f"replace(reading_subject(), {left_out}, {why})", "-k", cases)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*made by hand there*"])


def test_too_few_for_three_pages_fails(pytester: pytest.Pytester) -> None:
    """Else nothing would be said about pages; a thing without pages is named with a reason."""
    few = "many_of={'returns': 4, 'documents': 14}"
    result = outcome(pytester, f"replace(reading_subject(), {few})", "-k", "everything_there and returns and all")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*does not fill three pages*"])
    whole = f"{few}, one_page={{'returns': 'they come whole'}}"
    result = outcome(pytester, f"replace(reading_subject(), {whole})", "-k", "everything_there and returns and all")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("field", ["facts={'refunds': None}", "many_of={'ship': 3}", "one_page={'returns': ''}"])
def test_stale_hook_fails(pytester: pytest.Pytester, field: str) -> None:
    outcome(pytester, f"replace(reading_subject(), {field})", "-k", "exemptions_name").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    "name",
    [
        "test_no_such_case",
        "*[no_such_kind]",
        "test_effect_is_applied_once[no_such_kind]",
        "test_nothing_there_is_no_error[refunds]",
    ],
)
def test_stale_exemption_fails(pytester: pytest.Pytester, name: str) -> None:
    subject = f"replace(toy_subject(), not_applicable={{{name!r}: 'was needed once'}})"
    outcome(pytester, subject, "-k", "exemptions_name").assert_outcomes(failed=1)


def test_known_failure_is_expected_and_must_go_on_failing(pytester: pytest.Pytester) -> None:
    """A fault named in MATURITY.toml does not stop the others, and its repair is noticed."""
    reason = "the probe reads an old copy"
    (pytester.path / "MATURITY.toml").write_text(f'[failing]\n"test_effect_is_applied_once[accept]" = "{reason}"\n')
    wrong = "replace(toy_subject(ProbeNeverSeesIt), folder=Path(__file__).parent)"
    result = outcome(pytester, wrong, "-k", "effect_is_applied_once and accept")
    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines([f"*{reason}*"])
    repaired = "replace(toy_subject(), folder=Path(__file__).parent)"
    outcome(pytester, repaired, "-k", "effect_is_applied_once and accept").assert_outcomes(failed=1)


def test_maturity_is_asked_for(pytester: pytest.Pytester) -> None:
    result = outcome(pytester, "replace(toy_subject(), folder=Path(__file__).parent)", "-k", "maturity_is_stated")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*MATURITY.toml: missing*"])


def test_short_canary_fails(pytester: pytest.Pytester) -> None:
    """A key of three letters would be found in every text, or in none."""
    subject = "replace(toy_subject(), credentials={'token': 'abc'}, sandbox={'token': 'abc'})"
    result = outcome(pytester, subject, "-k", "test_one_order_is_read")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*token needs at least 12 characters*"])
