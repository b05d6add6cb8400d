"""`python -m hub_common.create_topics`: creates every topic, for deployments without an operator that does it.

The broker's automatic creation stays off: a misspelt topic would otherwise be made, filled and read by nobody.
"""

from __future__ import annotations

import asyncio
import os
import sys

from pydantic import ValidationError

from hub_common.config import KafkaSettings
from hub_common.kafka.client import ensure_topics
from hub_common.kafka.records import BrokerDown
from hub_contracts.topics import TOPICS


def main() -> int:
    """Create what is missing on `HUB_KAFKA_BOOTSTRAP`; exit code 1 with one line when that does not work."""
    if not os.environ.get("HUB_KAFKA_BOOTSTRAP"):
        sys.stderr.write("create_topics: set HUB_KAFKA_BOOTSTRAP to the broker's host:port\n")
        return 2
    try:
        settings = KafkaSettings()
    except ValidationError as error:
        sys.stderr.write(f"create_topics: {error.errors(include_input=False)[0]['msg']}\n")
        return 2
    replication = int(os.environ.get("HUB_TOPIC_REPLICATION", "1"))
    try:
        created = asyncio.run(
            ensure_topics(settings.broker, TOPICS, prefix=settings.topic_prefix, replication=replication)
        )
    except BrokerDown as error:
        sys.stderr.write(f"create_topics: {error}\n")
        return 1
    sys.stdout.write(f"{len(created)} topics created, {len(TOPICS)} declared\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
