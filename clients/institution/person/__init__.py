"""What a person can ask of an institution: their record, score and inquirers, disputes, corrections, erasure, notices.

journal          what happened in each case: a chain of signed steps, the content of each committed to and erasable
overlay          corrections and erasures over the data file, which is never changed
desk             the steps that a case takes, with the clock passed in
"""
