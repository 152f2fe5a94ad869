"""One engine that keeps snapshots fresh: pure steps and one thin driver (docs/design/005)."""
