"""The API types `lastgood.dev/v1alpha1`: SecretAccount, SecretPolicy and SecretSnapshot
(docs/contract.md, "Accounts and policies").
"""
