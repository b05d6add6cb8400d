"""`python -m shop_gateway`."""

from hub_common.run import main
from shop_gateway.main import SPEC

raise SystemExit(main(SPEC))
