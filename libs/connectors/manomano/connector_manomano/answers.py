"""From HTTP answers to outcomes: the one place that decides what is known after a call.

ManoMano answers 204 for "all good" and 207 for "mixed". Counting every 2xx as success is how a public client loses
failures, so a 2xx with a body is read item by item and an item that is not there is unknown, never done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connector_kit.http import Answer, BadAnswer
from connector_kit.outcome import Outcome
from connector_manomano.client import ATTENTION_SECONDS, KEY_REFUSED, QUOTA_SECONDS, error_text, says_not_found

SPLITTABLE = frozenset({400, 413, 422})
"""Whole request refused: nothing was applied, and one bad item may be the reason. Halves find it."""


@dataclass(frozen=True, slots=True)
class Judge:
    """How answers of one kind of call are judged.

    `harmless`: doing it twice is the same as once (absolute stock and price), so doubt means sending again.
    `repeat_codes`: item codes that may stand for "already done".
    """

    explain: Callable[[Answer], str]
    hide: Callable[[str], str]
    harmless: bool = False
    repeat_codes: frozenset[int] = frozenset()

    def unsure(self, reason: str) -> Outcome:
        """The call may have been processed."""
        return Outcome.retry(reason) if self.harmless else Outcome.unknown(reason)

    def splittable(self, answer: Answer) -> bool:
        """Whether the whole request was refused by the application, so that its halves may be sent apart."""
        return answer.status in SPLITTABLE or (answer.status == 404 and says_not_found(answer))

    def halts(self, answer: Answer) -> bool:
        """Whether further calls would meet the same wall (quota, key)."""
        return answer.status == 429 or answer.status in KEY_REFUSED

    def refusal(self, answer: Answer) -> Outcome:
        """Outcome of every request in a call whose answer is not a 2xx."""
        reason = f"HTTP {answer.status}: {self.explain(answer)}"
        if answer.status == 429:
            return Outcome.retry(reason, after=answer.retry_after or QUOTA_SECONDS)
        if answer.status in KEY_REFUSED:
            return Outcome.retry(
                f"{reason}; key or contract refused, connection needs attention", after=ATTENTION_SECONDS
            )
        if answer.status >= 500 or answer.status == 408:
            return self.unsure(reason)
        if self.splittable(answer):
            return Outcome.rejected(reason, http_status=answer.status)
        if answer.status == 409:
            return self.maybe_done(reason)
        # Redirects, unknown paths, wrong methods: nothing was applied and the order is not to blame.
        return Outcome.retry(
            f"{reason}; the address or path of the connection needs attention", after=ATTENTION_SECONDS
        )

    def maybe_done(self, reason: str) -> Outcome:
        """Refused as if it had been done before: a re-read decides, and if it was not done the refusal stands."""
        return Outcome.rejected(reason) if self.harmless else Outcome.unknown(reason, retry_if_not_applied=False)

    def item(self, result: Any) -> Outcome:
        """Outcome of one `result` of a mixed answer: `{"http_code": 204}` or `{"http_code": 409, "error": {…}}`."""
        code = code_of(result)
        if code is None:
            return self.unsure("the answer lists the item without a readable http_code")
        if 200 <= code < 300:
            return Outcome.done(http_code=code)
        reason = self.hide(f"item {code}: {error_text(result)}" if "error" in result else f"item {code}")
        if code == 429:
            return Outcome.retry(reason, after=QUOTA_SECONDS)
        if code in KEY_REFUSED:
            return Outcome.retry(f"{reason}; connection needs attention", after=ATTENTION_SECONDS)
        if not self.harmless and (code in self.repeat_codes or code == 409):
            return self.maybe_done(reason)
        if code >= 500 or code == 408 or code < 200 or 300 <= code < 400:
            return self.unsure(reason)
        return Outcome.rejected(reason, http_code=code)

    def items(self, answer: Answer, references: Sequence[str], contract: int) -> list[Outcome]:
        """Outcomes of a 2xx answer to an array of orders, each reference being in the array once."""
        if answer.status == 204:
            return [Outcome.done(http_code=204) for _ in references]
        listed = results_by(answer, "order_reference", contract)
        if listed is None:
            return [self.unsure(f"HTTP {answer.status} with an unreadable body") for _ in references]
        return [
            self.item(listed[reference])
            if reference in listed
            else self.unsure(f"HTTP {answer.status} does not list the order")
            for reference in references
        ]


def code_of(result: Any, name: str = "http_code") -> int | None:
    """The HTTP code of one item of an answer, None when it cannot be read."""
    code = result.get(name) if isinstance(result, dict) else None
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        return int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def results_by(answer: Answer, key: str, contract: int) -> dict[str, Any] | None:
    """`result` per reference from `content`; None when unreadable. A reference listed twice counts as unreadable."""
    try:
        body = answer.json()
    except (BadAnswer, RecursionError):
        return None
    content = body.get("content") if isinstance(body, dict) else None
    return _collect(content, key, contract) if isinstance(content, list) else None


def _collect(content: list[Any], key: str, contract: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in content:
        if not isinstance(entry, dict) or str(entry.get("seller_contract_id", contract)) != str(contract):
            continue
        reference = str(entry.get(key))
        # Two verdicts on one item contradict each other, so neither is believed.
        found[reference] = None if reference in found else entry.get("result")
    return found


def offer_results(answer: Answer, contract: int) -> dict[str, Any] | None:
    """`result` per SKU of a mixed offers answer (shape assumed); None when the answer lists no items."""
    try:
        body = answer.json()
    except (BadAnswer, RecursionError):
        return None
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(content, list):
        return None
    found: dict[str, Any] = {}
    for entry in content:
        if isinstance(entry, dict) and str(entry.get("seller_contract_id", contract)) == str(contract):
            items = entry.get("items")
            found |= _collect(items, "sku", contract) if isinstance(items, list) else {}
    return found
