"""Kubernetes objects as plain data, and how they are written down so that a diff shows what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import yaml

Document: TypeAlias = dict[str, Any]
"""One Kubernetes object."""

PART_OF = "order-routing-hub"
NAME, COMPONENT, PART = "app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"
NOTE = "# Written by `hub k8s-base` from the code of the services; what one deployment wants belongs in an overlay.\n"


def labels(name: str, component: str) -> dict[str, str]:
    """The three labels of every object of the hub."""
    return {NAME: name, COMPONENT: component, PART: PART_OF}


def selector(name: str, component: str = "service") -> dict[str, str]:
    """What finds the pods of one service and nothing else, its migration included."""
    return {NAME: name, COMPONENT: component}


def made(
    api: str, kind: str, name: str, spec: Document, component: str, of: str | None = None, **more: Any
) -> Document:
    """One object with its labels; `of` is the service that it is about when that is not its name."""
    metadata: Document = {"name": name, "labels": labels(of or name, component), **more}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


class _Plain(yaml.SafeDumper):
    """Indents lists below their key, and never writes anchors: the same value twice is written twice."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def written(documents: Sequence[Document]) -> str:
    """The text of a file that holds these objects."""
    texts = (yaml.dump(each, Dumper=_Plain, sort_keys=False, width=116, allow_unicode=True) for each in documents)
    return NOTE + "---\n".join(texts)


def kustomization(resources: Sequence[str], *, kind: str = "Component", **more: Any) -> str:
    """The text of a kustomization; lists that are empty are left out."""
    api = "kustomize.config.k8s.io/v1alpha1" if kind == "Component" else "kustomize.config.k8s.io/v1beta1"
    content = {"apiVersion": api, "kind": kind, "resources": list(resources), **more}
    return written([{key: value for key, value in content.items() if value}])


def read(text: str) -> list[Document]:
    """Every object of a multi-document text."""
    return [each for each in yaml.safe_load_all(text) if each]
