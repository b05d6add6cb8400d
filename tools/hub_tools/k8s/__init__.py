"""Kubernetes manifests that follow from the code: facts, what is written from them, what must hold."""
