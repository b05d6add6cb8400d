"""Help for tests of services: a runtime on a real database, events fed in, emitted events read out."""

from hub_common.testing.harness import Harness, SeenEvent, settings_for

__all__ = ["Harness", "SeenEvent", "settings_for"]
