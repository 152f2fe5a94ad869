"""What every listener of ours shares: limits that strangers can't make a process exceed."""
