"""What two parties must agree on to talk: canonical bytes, signatures, messages.

Everything here is pure: no socket, no file, no environment, no clock. Randomness is passed in.
"""
