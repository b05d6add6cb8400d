"""`python -m refund_service`."""

from hub_common.run import main
from refund_service.main import SPEC

raise SystemExit(main(SPEC))
