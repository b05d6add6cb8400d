"""Help for tests: real servers, fresh databases, isolated topics."""
