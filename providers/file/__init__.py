"""Files below one folder, `file`: for tests."""
