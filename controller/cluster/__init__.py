"""What the controller needs of the API server, behind the protocols of `controller.ports`."""
