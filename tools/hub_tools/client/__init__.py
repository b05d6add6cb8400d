"""How every command reaches a hub: where it is, one HTTP client, one reader of topics, one way to fail."""
