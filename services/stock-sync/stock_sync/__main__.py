"""`python -m stock_sync`."""

from hub_common.run import main
from stock_sync.main import SPEC

raise SystemExit(main(SPEC))
