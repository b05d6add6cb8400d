"""`python -m bench [hop|relay|latency|memory|growth|all]`."""

from bench.main import main

raise SystemExit(main())
