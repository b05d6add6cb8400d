"""`kubectl kustomize OVERLAY | python -m hub_tools.k8s.check`: every policy over any rendered deployment.

An overlay of one's own can patch away what the tests of this repository guard; this says so before a cluster does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hub_tools.k8s import agreement, kafka, policies, replay_checks
from hub_tools.k8s.documents import Document, read
from hub_tools.k8s.facts import Facts, installed

USAGE = "usage: kubectl kustomize OVERLAY | python -m hub_tools.k8s.check [--production]\n"


def broken(documents: Sequence[Document], services: Sequence[Facts], *, production: bool) -> list[str]:
    """Every broken promise; what belongs to a component is only asked of deployments that have it."""
    plain = (policies.restricted, policies.resources, policies.secrets, policies.probes, policies.selected)
    found = [line for policy in (*plain, policies.part_of_hub) for line in policy(documents)]
    found += policies.images(documents, digest=production)
    compared = [policies.roll_outs, agreement.deployed, agreement.variables, agreement.mounted, agreement.scaling]
    kinds = {each["kind"] for each in documents}
    for kind, policy in (
        ("KafkaUser", agreement.access),
        ("KafkaUser", replay_checks.rights),
        ("CronJob", replay_checks.replays),
        ("Database", agreement.databases),
        ("NetworkPolicy", agreement.firewalls),
        ("ServiceMonitor", agreement.watched),
        ("Ingress", agreement.doors),
    ):
        if kind in kinds:
            compared.append(policy)
    found += [line for policy in compared for line in policy(documents, services)]
    if "KafkaTopic" in kinds:
        found += agreement.topics(documents, replicas=kafka.REPLICAS if production else 1)
    return found + (policies.no_sandbox(documents) if production else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """One line per broken promise; exit code 1 when there is any, 2 when there is nothing to look at."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    documents = [] if sys.stdin.isatty() or set(given) - {"--production"} else read(sys.stdin.read())
    if not documents:
        sys.stderr.write(USAGE)
        return 2
    found = broken(documents, installed(), production="--production" in given)
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.stderr.write(f"{len(documents)} objects, {len(found)} broken promises\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
