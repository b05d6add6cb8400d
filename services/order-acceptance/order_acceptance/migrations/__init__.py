"""Migrations of order-acceptance."""
