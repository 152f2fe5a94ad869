"""Demand and policy in, snapshots and ages out (docs/contract.md)."""
