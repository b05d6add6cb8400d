"""Migrations of order-router."""
