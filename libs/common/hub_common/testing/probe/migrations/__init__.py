"""Migrations of the probe service."""
