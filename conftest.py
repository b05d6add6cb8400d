"""Root of the test configuration: real PostgreSQL and broker for every test that asks for them."""

pytest_plugins = ["hub_tools.testing.fixtures"]
