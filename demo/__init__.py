"""The story of `make demo`: real processes on this machine, from annotations to apps that start
while the store is down.
"""
