"""From a decided case to letters: whom the jurisdiction has told, from when the change counts, the trace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from clients.institution.person.desk import Desk
from clients.institution.person.inquiries import Inquiry, to_be_told
from clients.institution.person.mailbox_client import MailboxClient
from clients.institution.person.post import Post, Sent
from federation.errors import ConfigurationError
from federation.oversight.cases import Event
from protocols.notices import Change

PATIENCE_S = 15.0
_FIRST = date(1970, 1, 1)
_CHANGES = {Event.CORRECTED: Change.CORRECTED, Event.ERASED: Change.ERASED}


def send_notices(desk: Desk, case: str, subject: str, inquiries: Sequence[Inquiry], today: date) -> tuple[Sent, ...]:
    """Write to the members that made `inquiries`, and to all others letters that say nothing.

    Raises ConfigurationError for a case that changed nothing or is another person's; what `Post.send` raises.
    """
    of = desk.case(case)
    if of.subject != desk.tags.tag(subject) or of.decided is None or of.result not in _CHANGES:
        raise ConfigurationError("case", got="another case", expected="this person's, corrected or erased")
    told = to_be_told(inquiries, desk.profile, of.decided)
    with MailboxClient(desk.home, patience=PATIENCE_S) as client:
        change = _CHANGES[of.result]
        sent = Post(desk.home, client).send(
            told, change, after_epoch=of.after_epoch, decided=(of.decided - _FIRST).days
        )
    desk.notified(of.id, [each.to_json() for each in sent], today)
    return sent


def delivered(desk: Desk, case: str) -> dict[str, bool]:
    """By member, whether it signed for all letters of a case. Raises ConfigurationError where none were sent."""
    steps = [done for done in desk.case(case).steps if done.step.event is Event.NOTIFIED and done.content]
    sent = [Sent.from_json(each) for done in steps for each in (done.content or {})["letters"]]
    if not sent:
        raise ConfigurationError("case", got="no notices", expected="one whose notices were sent and are still known")
    with MailboxClient(desk.home, patience=PATIENCE_S) as client:
        return Post(desk.home, client).delivered(sent)
