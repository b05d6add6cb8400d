"""The `hub` command line, the local stack without containers, and the set-up of a fresh clone."""
