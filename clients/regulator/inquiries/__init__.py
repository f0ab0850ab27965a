"""Spot checks of inquiries: what is drawn from the log, and what the openings give.

draws      draws, seeds and verdicts as the log has them, and the samples they give: for every verifier
copied     the same of the home's own copy
sampling   one draw of this regulator's, step by step: `fedscore regulator sample`
judging    openings that were handed in, and the verdict on each querier: `fedscore regulator check`
"""
