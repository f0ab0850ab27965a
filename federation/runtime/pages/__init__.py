"""What all pages of the product stand behind and look like: who may look, safe headers, one style sheet.

Guard(application, gate, hosts, cookie="...")          # in front of every answer
"""
