"""AWS: Secrets Manager (`aws-sm`)."""
