"""What a marketplace said of a refused offer, row by row, and what a person does about it: pure.

"Import finished with errors" helps nobody. The row's own words with the operator's known remedy do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from connector_kit.offers import Problem
from connector_kit.profiles import OperatorProfile

MOST_TOLD = 5
"""One broken offer rarely has more; a report of thousands of rows about one offer is noise."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal in words. `next_step` is empty when neither the connector nor the operator's profile knows one."""

    reason: str
    next_step: str


def refusal(reason: str, answer: Mapping[str, Any], profile: OperatorProfile | None) -> Refusal:
    """Words for a refusal: the problems that the answer lists, else the reason as it is."""
    problems = _problems(answer)
    steps = [problem.next_step for problem in problems if problem.next_step]
    if not steps and profile is not None:
        said = [text for problem in problems for text in (problem.code, problem.rule) if text] or [reason]
        steps = [remedy.next_step for text in said if (remedy := profile.remedy(text)) is not None]
    step = " ".join(dict.fromkeys(steps))[:500]
    if not problems:
        return Refusal(_with_step(reason, step), step)
    told = "; ".join(_told(problem) for problem in problems[:MOST_TOLD])
    more = f"; and {len(problems) - MOST_TOLD} more" if len(problems) > MOST_TOLD else ""
    return Refusal(_with_step(f"{told}{more}", step), step)


def _problems(answer: Mapping[str, Any]) -> list[Problem]:
    """The errors among the problems of an answer; an entry that cannot be read is left out, never a failure."""
    listed = answer.get("problems")
    found: list[Problem] = []
    for entry in listed if isinstance(listed, list) else ():
        try:
            problem = Problem.model_validate(entry)
        except ValidationError:
            continue
        if problem.severity == "error":
            found.append(problem)
    return found


def _told(problem: Problem) -> str:
    row = f"row {problem.row}, " if problem.row is not None else ""
    return f"{row}{problem.field}: {problem.rule[:300]}"


def _with_step(reason: str, step: str) -> str:
    room = 500 - min(len(step), 200) - len(" What to do: ")
    return f"{reason[:room]} What to do: {step[:200]}" if step else reason[:500]
