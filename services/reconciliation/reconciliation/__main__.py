"""`python -m reconciliation`."""

from hub_common.run import main
from reconciliation.main import SPEC

raise SystemExit(main(SPEC))
