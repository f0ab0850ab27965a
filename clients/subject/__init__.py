"""A person's wallet: her key, what she permits, what she takes back. Files only, readable by her alone.

wallet   Wallet: init, the authority's statement, receipts, revocations
cli      fedscore subject init|accept|receipt|revoke|show
"""
