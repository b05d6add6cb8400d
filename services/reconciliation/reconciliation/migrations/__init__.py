"""Migrations of reconciliation."""
