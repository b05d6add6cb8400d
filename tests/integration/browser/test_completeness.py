"""The last browser test: nothing that people can see or do in the console was left out by the others."""

from __future__ import annotations

import pytest

from .visits import Visits

pytestmark = pytest.mark.stack


def test_every_page_and_action_was_tried_in_a_browser(chromium_path: str, visits: Visits) -> None:
    left_out = visits.not_run()
    if left_out:
        pytest.skip(f"only after all browser tests; {len(left_out)} did not run, the first is {left_out[0]}")
    for routes, why in (
        (visits.not_asked(), "no browser test goes there"),
        (visits.not_checked(), "shown, but not checked by axe in light and dark (desk.check_themes)"),
    ):
        assert not routes, f"{why}: {', '.join(routes)}"
