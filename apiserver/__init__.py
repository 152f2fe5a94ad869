"""A small stand-in for the Kubernetes API server. For the demo and the tests only."""
