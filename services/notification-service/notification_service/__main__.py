"""`python -m notification_service`."""

from hub_common.run import main
from notification_service.main import SPEC

raise SystemExit(main(SPEC))
