"""The broker as clients see it: reachable, every topic with the declared partitions, nobody far behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hub_common.kafka.records import BrokerDown
from hub_common.kafka.watch import bounds_of_present
from hub_contracts.topics import TOPICS
from hub_tools.client.errors import CommandError, ExitCode
from hub_tools.client.hub import Hub
from hub_tools.client.overview import lag_by_service
from hub_tools.doctor.model import Finding, bad, ok, skipped, warn
from hub_tools.stack.waiting import run_sync

LAG_WARN = 10_000
"""Records; less than a minute of work for a hub that is busy, a service that stands for one that is idle."""

DECLARED = {topic.name: topic.partitions for topic in TOPICS} | {topic.dead_letter: 1 for topic in TOPICS}


def broker(hub: Hub) -> list[Finding]:
    """Every topic and every listener."""
    try:
        address = hub.broker()
    except CommandError as error:
        if error.code is ExitCode.USAGE:
            return [skipped("topics", str(error))]
        return [bad("broker_answers", str(error), "start it with: hub up")]
    prefix = hub.target.topic_prefix
    wanted = {prefix + name: count for name, count in DECLARED.items()}
    try:
        found = run_sync(bounds_of_present(address, wanted))
    except BrokerDown as error:
        do = "see that the broker runs and that this address reaches it"
        return [bad("broker_answers", f"{address.bootstrap}: {error}", do)]
    return [
        ok("broker_answers", f"{address.bootstrap} ({address.protocol})"),
        *topic_findings(wanted, Counter(tp.topic for tp in found)),
        *_lag(hub),
    ]


def topic_findings(wanted: Mapping[str, int], found: Mapping[str, int]) -> list[Finding]:
    """Topics that are missing or have another number of partitions than declared."""
    make = "create missing topics and partitions with: python -m hub_common.create_topics"
    findings = []
    for name, partitions in wanted.items():
        count = found.get(name, 0)
        text = f"{name} has {count} partitions, declared are {partitions}"
        if not count:
            findings.append(bad("topics", f"{name} does not exist", make))
        elif count < partitions:
            findings.append(bad("topics", text, make))
        elif count > partitions:
            do = "keys moved to other partitions, so the order of events per key is lost: make the topic anew, replay"
            findings.append(bad("topics", text, do))
    return findings or [ok("topics", f"{len(wanted)} topics as declared")]


def _lag(hub: Hub) -> list[Finding]:
    lag = lag_by_service(hub)
    if lag.error:
        return [bad("lag", lag.error, "see that the broker runs and that this address reaches it")]
    return lag_findings(lag.by_service)


def lag_findings(by_service: Mapping[str, int]) -> list[Finding]:
    """Services that are far behind."""
    do = "see its log and its database; more replicas help up to the number of partitions (docs/operations.md)"
    far = {name: n for name, n in sorted(by_service.items()) if n >= LAG_WARN}
    found = [warn("lag", f"{n} records wait", do, name) for name, n in far.items()]
    return found or [ok("lag", f"{sum(by_service.values())} records wait, {len(by_service)} listeners")]
