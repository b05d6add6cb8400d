"""Migrations of ops-console."""
