"""Lantern Bay as a connector of the hub."""
