"""One engine that keeps snapshots fresh: pure steps and one thin driver (DESIGN.md section 9)."""
