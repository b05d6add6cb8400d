"""Templates of new connectors and services, and the small renderer that they share."""
