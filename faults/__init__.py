"""Histories of the whole system under faults, on a clock that is simulated, and what decides
whether each kept the promises.
"""
