"""`python -m ops_console`."""

from hub_common.run import main
from ops_console.main import SPEC

raise SystemExit(main(SPEC))
