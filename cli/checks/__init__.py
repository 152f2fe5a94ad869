"""What `lastgood check` looks at: facts about a cluster, and a decision for each line."""
