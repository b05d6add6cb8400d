"""Kafka behind a small port; aiokafka is imported in `client.py` and nowhere else."""
