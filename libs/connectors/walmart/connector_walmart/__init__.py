"""Walmart Marketplace as a connector of the hub."""
