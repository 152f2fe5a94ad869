"""The `lastgood` command."""
