"""Faults injected into the whole hub under load: kills, broker and database restarts, a marketplace that misbehaves."""
