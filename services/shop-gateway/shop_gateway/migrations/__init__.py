"""Migrations of shop-gateway."""
