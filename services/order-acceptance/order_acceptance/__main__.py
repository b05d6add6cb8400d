"""`python -m order_acceptance`."""

from hub_common.run import main
from order_acceptance.main import SPEC

raise SystemExit(main(SPEC))
