"""Secrets of the pod's own namespace, `k8s`."""
