"""Cases of honesty: the maturity file is complete and true, and no exemption outlives its reason."""

from __future__ import annotations

import inspect

from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.kinds import KINDS
from connector_kit.conformance.readings import READINGS
from connector_kit.conformance.subject import Subject
from connector_kit.manifest import Capability
from connector_kit.maturity import check_maturity, read_maturity

WHOLE_GROUPS = {*KINDS, *READINGS, Capability.NOTICES.value, Capability.SHOP_INVOICES.value}
"""What `*[name]` may name."""


class UpkeepCases(CaseBase):
    """Exemptions and maturity."""

    def test_maturity_is_stated(self, subject: Subject) -> None:
        """See `check_maturity`."""
        if subject.folder is None:
            return
        problems = check_maturity(subject.folder, subject.connector.manifest, type(self))
        assert not problems, "\n".join(problems)

    def test_exemptions_name_cases_and_reasons(self, subject: Subject) -> None:
        """An exemption for a case that does not exist would hide that it is not needed any more."""
        failing = read_maturity(subject.folder).failing if subject.folder is not None else {}
        problems = []
        for where, given in (("not_applicable", subject.not_applicable), ("[failing]", failing)):
            for name, reason in given.items():
                case, _, kind = name.partition("[")
                test = getattr(type(self), case, None)
                if case == "*":
                    test = (
                        type(self).test_exemptions_name_cases_and_reasons if kind.rstrip("]") in WHOLE_GROUPS else None
                    )
                if test is None or not (case == "*" or case.startswith("test_")):
                    problems.append(f"{where}: {case!r} is not a case of this suite")
                takes_kind = test is not None and "kind" in inspect.signature(test).parameters
                if takes_kind and kind and kind.rstrip("]").split("-")[0] not in KINDS:
                    problems.append(f"{where}: {name!r} names an unknown effect kind")
                takes_reading = test is not None and "reading" in inspect.signature(test).parameters
                if takes_reading and kind and not _names_a_reading(kind):
                    problems.append(f"{where}: {name!r} names an unknown reading")
                if not reason.strip():
                    problems.append(f"{where}: {name!r} gives no reason")
        for field in ("undecided", "repeat_harmless", "recorded", "requests", "operations", "targets"):
            problems += [
                f"{field}: {name!r} is no effect kind" for name in getattr(subject, field) if name not in KINDS
            ]
        readings = [
            f"{field}: {name!r} is no reading"
            for field in ("facts", "many_of", "one_page")
            for name in getattr(subject, field)
            if name not in READINGS
        ]
        problems += readings
        for field in ("undecided", "repeat_harmless", "one_page"):
            problems += [f"{field}: {name} gives no reason" for name, why in getattr(subject, field).items() if not why]
        assert not problems, "\n".join(problems)


def _names_a_reading(variant: str) -> bool:
    """Whether one part of `all-returns]`, as pytest prints variants, is a reading."""
    return any(part in READINGS for part in variant.rstrip("]").split("-"))
