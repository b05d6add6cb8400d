"""`python -m shipment_notifier`."""

from hub_common.run import main
from shipment_notifier.main import SPEC

raise SystemExit(main(SPEC))
