"""Tenants' accounts at marketplaces and shops: settings, sealed credentials, activation gate, SKU links, API keys."""
