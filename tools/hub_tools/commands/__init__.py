"""The commands of `hub`, one module per group. Each module has an `app` or a function that cli.py registers."""
