"""From a pod's annotations and the admin's policy to a patch (DESIGN.md sections 4 and 7)."""
