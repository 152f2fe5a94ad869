"""Providers, one file each, behind `protocol.Source`."""
