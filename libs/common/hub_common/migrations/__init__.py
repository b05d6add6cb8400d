"""Frozen SQL of the runtime's own tables, run by every service's migrations."""
