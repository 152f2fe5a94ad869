"""Demand and policy in, snapshots and ages out (DESIGN.md sections 5, 6 and 9)."""
