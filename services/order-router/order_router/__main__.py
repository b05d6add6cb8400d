"""`python -m order_router`."""

from hub_common.run import main
from order_router.main import SPEC

raise SystemExit(main(SPEC))
