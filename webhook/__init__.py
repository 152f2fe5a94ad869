"""From a pod's annotations and the admin's policy to a patch (docs/contract.md)."""
