"""The local stack: PostgreSQL and a Kafka broker as plain processes of this machine, without containers."""
