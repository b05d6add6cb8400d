"""Migrations of catalog-feed."""
