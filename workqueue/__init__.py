"""A keyed work queue, the one retry policy, and the clock (docs/design/024)."""
