"""Migrations of refund-service."""
