"""A ticket: from a logged request to the pads of one subject in one epoch.

    querier                          relay                                     every member
    QuerierTicket.start
      leaf, B             ------->   log the leaf, promise   ------->   .first(leaf, promise, B)
                                                             <-------   Z_j
                                     combine -> D            ------->   .second(leaf, B, all Z_j, D)
      .logged(promise)               check_pad               <-------   sealed W_j
      .finish(reply)      <-------   all Z_j, D, sealed W_j

What travels is bytes: leaf and promise are documents (canonical JSON), B is 32 bytes, Z_j and D are statements of 160,
a sealed W_j has 208. Whoever receives them checks them: nothing is believed because of who passed it on.

Errors: `Fault` names the party whose message does not hold; `TicketRefused` is a rule; MessageError, EncodingError,
SignatureError, StageError are for what has no right form, signer or moment.
"""

from protocols.lookup.fault import RELAY, Fault, TicketRefused
from protocols.lookup.leaf import KIND, Leaf, SignedLeaf
from protocols.lookup.ticket_guard import Charge, TicketGuard, check_charge
from protocols.lookup.ticket_member import FirstOrder, MemberTickets, SecondOrder
from protocols.lookup.ticket_querier import LeafOpening, QuerierTicket, Ticket, TicketReply
from protocols.lookup.ticket_relay import check_evaluation, check_pad, combine

__all__ = [
    "KIND",
    "RELAY",
    "Charge",
    "Fault",
    "FirstOrder",
    "Leaf",
    "LeafOpening",
    "MemberTickets",
    "QuerierTicket",
    "SecondOrder",
    "SignedLeaf",
    "Ticket",
    "TicketGuard",
    "TicketRefused",
    "TicketReply",
    "check_charge",
    "check_evaluation",
    "check_pad",
    "combine",
]
