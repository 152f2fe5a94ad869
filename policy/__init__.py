"""The one decision on a source: may this namespace have it, and by which rules."""
