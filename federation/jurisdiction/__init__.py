"""What the law of a place asks of whoever holds records about people: deadlines, notices, retention, as data files.

    profile = load_profile("eu")                       # or the path of a TOML file of one's own
    profile.deadline(Request.DISPUTE, received)        # the day by which the person must have an answer

A profile is configuration and not legal advice; each says so, and names its sources (docs/person.md).
"""

from federation.jurisdiction.load import load_profile, shipped_profiles
from federation.jurisdiction.period import Period
from federation.jurisdiction.profile import Furnisher, Profile, Request, Retained, Retention

__all__ = ["Furnisher", "Period", "Profile", "Request", "Retained", "Retention", "load_profile", "shipped_profiles"]
