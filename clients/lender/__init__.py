"""A lender outside of any federation: it asks the owner of a model for scores of applicants it shows to nobody.

HOME/  lender.toml  keys/tls.key keys/tls.crt  invitation.json  offer.json
"""
