"""Who inquired about a person: two holders of the oversight key, what she asks them, and what she gets.

inquirers     the file her wallet ends up with: every inquiry about her, verified; checked by whoever owes notices
showing       what each of them is shown by, to somebody who was not there
log_leaves    every logged request of a range, from the log itself, held against a checkpoint that a quorum cosigned
holder_*      a holder of the key: its home, its sessions, its service
"""
