"""`python -m catalog_feed`."""

from catalog_feed.main import SPEC
from hub_common.run import main

raise SystemExit(main(SPEC))
