"""Mode `self`: our own CA, and each replica's own leaf (docs/design/013)."""
