"""The simulator of Lantern Bay. Never part of a production image."""
