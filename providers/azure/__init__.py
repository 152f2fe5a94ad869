"""Azure: secrets of Key Vault (`azure-kv`)."""
