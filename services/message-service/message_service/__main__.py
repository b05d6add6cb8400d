"""`python -m message_service`."""

from hub_common.run import main
from message_service.main import SPEC

raise SystemExit(main(SPEC))
