"""A keyed work queue, and the one retry policy (docs/design/024)."""
