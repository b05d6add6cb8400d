"""Migrations of stock-sync."""
