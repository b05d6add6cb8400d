"""CloudNativePG objects: one role and one database per service, on one cluster that they share and cannot see into.

Role and database have the same name, and the server lets a role into the database of its own name only: a service that
is broken into cannot even connect to another's tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub_tools.k8s.documents import Document, made
from hub_tools.k8s.facts import Facts
from hub_tools.k8s.kafka import patch, secret_volume

CLUSTER = "hub-postgres"
API = "postgresql.cnpg.io/v1"
CA = "/etc/hub/postgres-ca"
OWN_CONNECTIONS = 40
"""Replication, backups, the operator, the exporter and whoever looks, beside the services."""
SCRATCH = "hub_replay"
"""Role and database in which services are rebuilt beside themselves, one at a time."""
SCRATCH_OF = "hub-replay"
"""As whose they are named among the objects."""
SCRATCH_CONNECTIONS = 8
"""Lock, migration, copies of given rows, handlers, both digests; no two of them are many."""
PLUGIN = "barman-cloud.cloudnative-pg.io"
STORE = "hub-postgres-backup"


def secret_name(service: str) -> str:
    """The secret with a service's role and password (`username`, `password`)."""
    return f"{service}-database"


def dsn(database: str) -> str:
    """The address of the database of a role of the same name. It is no secret: the password comes beside it."""
    return f"postgresql://{database}@{CLUSTER}-rw:5432/{database}?sslmode=verify-full&sslrootcert={CA}/ca.crt"


def cluster(services: Sequence[Facts]) -> Document:
    """Three instances, one of them synchronous, with a role per service and continuous archiving."""
    roles = [_role(each.database, each.connections, each.name) for each in services]
    roles.append(_role(SCRATCH, SCRATCH_CONNECTIONS, SCRATCH_OF))
    most = sum(role["connectionLimit"] for role in roles) + OWN_CONNECTIONS
    spec = {
        "instances": 3,
        # A commit is on two machines before it is told to anybody; with one left the primary goes on.
        "postgresql": {
            "synchronous": {"method": "any", "number": 1, "dataDurability": "preferred"},
            "parameters": {"max_connections": str(most), "shared_buffers": "1GB", "log_min_duration_statement": "1s"},
            "pg_hba": ["hostssl sameuser all all scram-sha-256", "host all all all reject"],
        },
        "bootstrap": {"initdb": {"database": "hub", "owner": "hub"}},
        "storage": {"size": "50Gi"},
        "walStorage": {"size": "20Gi"},
        "resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
        "affinity": {
            "enablePodAntiAffinity": True,
            "topologyKey": "kubernetes.io/hostname",
            "podAntiAffinityType": "preferred",
        },
        "plugins": [{"name": PLUGIN, "isWALArchiver": True, "parameters": {"barmanObjectName": STORE}}],
        "managed": {"roles": roles},
    }
    return made(API, "Cluster", CLUSTER, spec, "database")


def _role(name: str, connections: int, of: str) -> Document:
    return {
        "name": name,
        "ensure": "present",
        "login": True,
        "connectionLimit": connections,
        "passwordSecret": {"name": secret_name(of)},
    }


def databases(services: Sequence[Facts]) -> list[Document]:
    """One database per service, which stays when its object goes, and the scratch database, which need not."""
    found = [_database(each.name, each.database, "retain") for each in services]
    return [*found, _database(SCRATCH_OF, SCRATCH, "delete")]


def _database(of: str, name: str, reclaim: str) -> Document:
    spec = {
        "name": name,
        "owner": name,
        "cluster": {"name": CLUSTER},
        "ensure": "present",
        "databaseReclaimPolicy": reclaim,
    }
    return made(API, "Database", of, spec, "database")


def backups() -> list[Document]:
    """Where archives go, by reference to a secret, and a full backup every night."""
    keys = {
        "accessKeyId": {"name": STORE, "key": "ACCESS_KEY_ID"},
        "secretAccessKey": {"name": STORE, "key": "ACCESS_SECRET_KEY"},
    }
    configuration = {
        "destinationPath": "s3://hub-backup/postgres",
        "s3Credentials": keys,
        "wal": {"compression": "gzip", "maxParallel": 4},
        "data": {"compression": "gzip", "jobs": 2},
    }
    store = {"retentionPolicy": "30d", "configuration": configuration}
    nightly = {
        "schedule": "0 15 2 * * *",
        "backupOwnerReference": "self",
        "cluster": {"name": CLUSTER},
        "method": "plugin",
        "pluginConfiguration": {"name": PLUGIN},
    }
    return [
        made("barmancloud.cnpg.io/v1", "ObjectStore", STORE, store, "database"),
        made(API, "ScheduledBackup", f"{CLUSTER}-nightly", nightly, "database"),
    ]


def addresses(service: Facts) -> list[Document]:
    """Patches that give the service and its migration their database over TLS."""
    held = {
        "env": [
            {"name": "HUB_DATABASE_DSN", "value": dsn(service.database), "valueFrom": None},
            {
                "name": "PGPASSWORD",
                "valueFrom": {"secretKeyRef": {"name": secret_name(service.name), "key": "password"}},
            },
        ],
        "volumeMounts": [{"name": "postgres-ca", "mountPath": CA, "readOnly": True}],
    }
    pod = {"volumes": [secret_volume("postgres-ca", f"{CLUSTER}-ca", "ca.crt")]}
    return [
        patch("Deployment", service.name, "service", held, pod),
        patch("Job", f"{service.name}-migrate", "migrate", held, pod),
    ]
