"""Migrations of notification-service."""
