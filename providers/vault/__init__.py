"""HashiCorp Vault and OpenBao: secrets of their KV stores (`vault`)."""
