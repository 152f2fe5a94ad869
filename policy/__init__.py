"""What admins allow: models of SecretAccount and SecretPolicy, and the one decision on a source
(docs/contract.md, "Accounts and policies").
"""
