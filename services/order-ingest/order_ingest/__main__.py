"""`python -m order_ingest`."""

from hub_common.run import main
from order_ingest.main import SPEC

raise SystemExit(main(SPEC))
