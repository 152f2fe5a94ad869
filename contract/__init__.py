"""What the processes agree on: formats, names and the rules that more than one of them applies.

Standard library only, and only what starts fast: the gate imports most of this on every pod start.
"""
