"""Schema of order-ingest."""
