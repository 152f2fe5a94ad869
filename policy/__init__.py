"""What admins allow: models of SecretAccount and SecretPolicy, and the one decision on a source
(DESIGN.md section 5).
"""
