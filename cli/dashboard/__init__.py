"""`lastgood dashboard`: a page on this machine for people who would rather look than read. It only
reads, with the rights of the caller's kubeconfig, and reads no Secret.
"""
