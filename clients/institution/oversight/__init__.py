"""An institution in the log: its ledger said there as it is written, promises kept, checkpoints cosigned.

oversight = Oversight(home, ledger)          # in the node's process: three threads
oversight.settle()                           # before an answer leaves: all that was written is promised
"""
