"""This repository's own lint rules: what ruff and mypy cannot know. Each tells the failure it prevents."""
