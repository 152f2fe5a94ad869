"""Manifests of other tools as lastgood's accounts, policies and annotations (docs/design/036)."""
