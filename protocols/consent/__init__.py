"""Inquiries with consent, pure: receipts a person signs, spot checks of logged leaves, a look-up by the person.

identity                  whose key is whose: statements of the authorities that the roster names
consent                   the document that a wallet hands over, and whether it covers an inquiry
receipt, check, refusal   what a person permits; whether an inquiry is covered, or the rule it breaks
acknowledgement           that an institution has a revocation, and what the log shows of it: when, not whose
draw                      which leaves a spot check opens, by coins nobody chose
opening                   what a querier shows for one leaf, and the verdict
tag_request, tag_lookup   which leaves are about a person, by two holders neither of whom can tell alone
"""
