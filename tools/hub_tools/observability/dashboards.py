"""The hub's four dashboards. What tables hold is the same at every replica (max); what a process does is its own (sum).

`python -m hub_tools.observability` writes them to deploy/observability/grafana/dashboards.
"""

from __future__ import annotations

from hub_tools.observability.infrastructure import INFRASTRUCTURE
from hub_tools.observability.outside import OUTSIDE
from hub_tools.observability.overview import OVERVIEW
from hub_tools.observability.service import SERVICE

ALL = (OVERVIEW, SERVICE, OUTSIDE, INFRASTRUCTURE)
