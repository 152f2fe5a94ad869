"""AWS: Secrets Manager (`aws-sm`) and Systems Manager Parameter Store (`aws-ssm`)."""
