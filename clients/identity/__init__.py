"""An identity authority: states, signed, whose key is whose. Files only; its key never leaves its home.

authority   IdentityHome: the key, the register of what was stated
cli         fedscore identity init|certify|show
"""
