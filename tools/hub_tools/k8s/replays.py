"""Replays in a cluster: per service a CronJob that never runs by itself, from which a person makes a Job.

A proof that needs somebody's laptop, a superuser and a copy of personal data on it is not made. Here it runs where the
data is, as an identity that can read and not write, from the very image that the service runs.
"""

from __future__ import annotations

from hub_tools.k8s import kafka, postgres
from hub_tools.k8s.documents import Document, labels, made
from hub_tools.k8s.facts import Facts
from hub_tools.k8s.network import REPLAY

ACCOUNT = "hub-replay"
IMAGE = "order-routing-hub"
NEVER = "0 0 1 1 *"
"""A CronJob must have a schedule. This one is suspended, and should somebody wake it up, it is once a year."""
LONGEST_SECONDS = 21_600
"""400 days of events are some ten thousand a second; six hours are an order of magnitude more than they take."""
KEPT_SECONDS = 86_400
"""The answer is in the log: it must still be there when whoever asked for it looks."""
REST_SECONDS = "900"
"""Nobody waits at a screen; a moment without anything on its way comes, on a busy day later."""
ROOM = "20Gi"
"""For the rows that are given: raw answers of marketplaces are most of it."""
READ_ONLY = "&default_transaction_read_only=on"
"""The service's own role could write. Whatever a replay does by mistake, it cannot be that."""


def job_name(service: str) -> str:
    """Name of the CronJob of a service."""
    return f"{service}-replay"


def account() -> Document:
    """An identity at the cluster that may do nothing there."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "labels": labels(ACCOUNT, REPLAY)},
        "automountServiceAccountToken": False,
    }


def suspended(service: Facts) -> Document:
    """What `kubectl create job --from=cronjob/…` makes a Job of."""
    job = {
        # What differs now differs at the second try as well, and a log of two answers is read wrongly.
        "backoffLimit": 0,
        "activeDeadlineSeconds": LONGEST_SECONDS,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "template": {"metadata": {"labels": labels(service.name, REPLAY)}, "spec": _pod(service)},
    }
    spec = {
        "schedule": NEVER,
        "suspend": True,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"metadata": {"labels": labels(service.name, REPLAY)}, "spec": job},
    }
    return made("batch/v1", "CronJob", job_name(service.name), spec, REPLAY, of=service.name)


def _pod(service: Facts) -> Document:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(service)],
        "volumes": [
            kafka.secret_volume("kafka-ca", f"{kafka.CLUSTER}-cluster-ca-cert", "ca.crt"),
            kafka.secret_volume("kafka", kafka.REPLAYER, "user.crt", "user.key"),
            kafka.secret_volume("postgres-ca", f"{postgres.CLUSTER}-ca", "ca.crt"),
            {"name": "tmp", "emptyDir": {"sizeLimit": ROOM}},
        ],
    }


def _container(service: Facts) -> Document:
    return {
        "name": REPLAY,
        "image": IMAGE,
        "args": [service.package, "replay"],
        "envFrom": [{"configMapRef": {"name": "hub-settings"}}],
        "env": [
            {"name": "HUB_LOG_LEVEL", "value": "WARNING"},
            {"name": "HUB_DATABASE_DSN", "value": postgres.dsn(service.database) + READ_ONLY},
            _password("PGPASSWORD", service.name),
            {"name": "HUB_REPLAY_DATABASE_DSN", "value": postgres.dsn(postgres.SCRATCH)},
            _password("HUB_REPLAY_DATABASE_PASSWORD", postgres.SCRATCH_OF),
            {"name": "HUB_REPLAY_REST_SECONDS", "value": REST_SECONDS},
        ],
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "768Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "kafka-ca", "mountPath": kafka.CA, "readOnly": True},
            {"name": "kafka", "mountPath": kafka.IDENTITY, "readOnly": True},
            {"name": "postgres-ca", "mountPath": postgres.CA, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the pod's own
        ],
    }


def _password(variable: str, of: str) -> Document:
    reference = {"name": postgres.secret_name(of), "key": "password"}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}
