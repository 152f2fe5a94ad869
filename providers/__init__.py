"""Secret stores, one folder each: what a reference and an account of it look like, which everybody
may import, and `source/`, which asks the store and which only the controller may import.
"""
