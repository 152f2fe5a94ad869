"""Kinds of the API server that only tests ask for."""

from __future__ import annotations

from kube.api_resources import Resource

SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
CUSTOM_RESOURCES = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
