"""A mailbox between members: keys they signed, letters that only their recipients can open, receipts for their senders.

hosted_mailbox(home, members)        # what the membership process serves on the member port
"""
