"""What runs in every pod: the gate, which starts the app with what is there, and the agent, which
keeps the files true.

Standard library only, and imported as late as possible: the start of the gate is on the start path
of every pod.
"""
