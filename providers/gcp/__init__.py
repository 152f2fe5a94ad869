"""Google Cloud: secrets of Secret Manager (`gcp-sm`)."""
