"""Migrations of shipment-notifier."""
