"""A tool that calls for people: it is nobody itself, and never more than the person it names."""

from __future__ import annotations

import pytest

from hub_common.web import OperatorTokens, Problem, Role, hash_token

TOKENS = OperatorTokens.parse(f"console:delegate:{hash_token('c')},ada:viewer:{hash_token('a')}")


def test_a_delegate_is_the_person_it_names() -> None:
    found = TOKENS.check("c", "ole@example.com", "operator")
    assert found is not None
    assert (found.login, found.role) == ("ole@example.com", Role.OPERATOR)


@pytest.mark.parametrize(("actor", "role"), [("", "admin"), ("ole", ""), ("ole", "root"), ("o le", "admin")])
def test_a_delegate_that_names_nobody_may_do_nothing(actor: str, role: str) -> None:
    with pytest.raises(Problem, match="403 actor-missing"):
        TOKENS.check("c", actor, role)


def test_everybody_elses_role_is_their_own_whatever_headers_say() -> None:
    found = TOKENS.check("a", "root", "admin")
    assert found is not None
    assert (found.login, found.role) == ("ada", Role.VIEWER)
