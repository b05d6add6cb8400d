"""KEDA objects: more replicas when events wait to be read or to be told, never fewer than a roll-out needs.

Deadlines come first: growing is quick, shrinking slow and one at a time, since each change of the group stops its
reading for a moment. When a number cannot be had (Kafka or Prometheus away) nothing shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub_tools.k8s import kafka
from hub_tools.k8s.documents import Document, made
from hub_tools.k8s.facts import MIN_REPLICAS, Facts

API = "keda.sh/v1alpha1"
AUTHENTICATION = "hub-kafka"
NAMESPACE = "hub"
"""KEDA asks from a namespace of its own, so it needs whole names."""
BOOTSTRAP = f"{kafka.CLUSTER}-kafka-bootstrap.{NAMESPACE}.svc:9093"
PROMETHEUS = "http://prometheus-operated.monitoring:9090"
LAG_RECORDS = "2000"
"""Waiting records per replica: a few seconds of work, far from any deadline."""
OUTBOX_SECONDS = "20"
"""Age of the oldest event not yet told. Rows normally leave within a second; the alert comes at sixty."""
OUTBOX_METRIC = "hub_outbox_oldest_seconds"


def authentication() -> Document:
    """KEDA's own certificate, by reference."""
    secrets = [
        {"parameter": "ca", "name": f"{kafka.CLUSTER}-cluster-ca-cert", "key": "ca.crt"},
        {"parameter": "cert", "name": kafka.SCALER, "key": "user.crt"},
        {"parameter": "key", "name": kafka.SCALER, "key": "user.key"},
    ]
    return made(API, "TriggerAuthentication", AUTHENTICATION, {"secretTargetRef": secrets}, "autoscaling")


def scaled(service: Facts) -> Document:
    """Between two replicas and as many as have something to read."""
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name},
        "pollingInterval": 15,
        "minReplicaCount": MIN_REPLICAS,
        "maxReplicaCount": service.max_replicas,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behaviour()}},
        "triggers": [*([_lag(service)] if service.group else []), _outbox(service)],
    }
    return made(API, "ScaledObject", service.name, spec, "autoscaling")


def behaviour() -> Document:
    """Up at once, down after ten quiet minutes and one replica every two."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 600,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
        },
    }


def _lag(service: Facts) -> Document:
    """All topics of the group together: what waits in one is worked off by the same processes."""
    metadata = {
        "bootstrapServers": BOOTSTRAP,
        "consumerGroup": service.group,
        "lagThreshold": LAG_RECORDS,
        "offsetResetPolicy": "earliest",
        "allowIdleConsumers": "false",
        "tls": "enable",
    }
    return {"type": "kafka", "metadata": metadata, "authenticationRef": {"name": AUTHENTICATION}}


def _outbox(service: Facts) -> Document:
    metadata = {
        "serverAddress": PROMETHEUS,
        "query": f'max({OUTBOX_METRIC}{{namespace="{NAMESPACE}",service="{service.name}"}})',
        "threshold": OUTBOX_SECONDS,
    }
    return {"type": "prometheus", "metricType": "Value", "metadata": metadata}


def all_scaled(services: Sequence[Facts]) -> list[Document]:
    """One object per service."""
    return [scaled(each) for each in services]
