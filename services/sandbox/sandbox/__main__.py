"""`python -m sandbox`."""

from __future__ import annotations

from sandbox.main import main

raise SystemExit(main())
