"""ops-console: the read model of everything the hub tells, and every order's story. It decides nothing."""
