"""The simulator of Walmart Marketplace. Never part of a production image."""
