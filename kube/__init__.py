"""The API server as the webhook and the controller see it. Knows nothing of secrets' meaning."""
