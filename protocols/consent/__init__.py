"""Inquiries with consent, pure: receipts a person signs, spot checks of logged leaves, a look-up by the person.

receipt, check, refusal   what a person permits; whether an inquiry is covered, or the rule it breaks
draw                      which leaves a spot check opens, by coins nobody chose
opening                   what a querier shows for one leaf, and the verdict
tag_request, tag_lookup   which leaves are about a person, by two holders neither of whom can tell alone
"""
