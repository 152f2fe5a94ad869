"""Mode `self`: our own CA, and each replica's own leaf (DESIGN.md section 10, docs/design/011)."""
