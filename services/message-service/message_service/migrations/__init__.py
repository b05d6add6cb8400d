"""Migrations of message-service."""
