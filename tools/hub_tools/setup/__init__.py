"""Set-up of a fresh clone. Everything in this package uses the standard library only: it runs before anything else
is installed."""
