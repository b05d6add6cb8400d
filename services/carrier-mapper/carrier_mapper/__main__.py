"""`python -m carrier_mapper`."""

from carrier_mapper.main import SPEC
from hub_common.run import main

raise SystemExit(main(SPEC))
