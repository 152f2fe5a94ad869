"""How a field of an API type is checked: once for the model and for the CRD's schema."""
