"""Migrations of carrier-mapper."""
