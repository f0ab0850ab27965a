"""The owner's side: encrypted features in, encrypted parts out.

A request is an encryption of x with feature j of applicant i at coefficient j * n + i. Multiplied by
sum over j of w_j X^(-j n), coefficient i holds sum over j of w_j x_ij; one shift by a block for each part, and every
part stands in a place of its own. No rotations, no evaluation keys.

Circuit privacy, without which one answer gives all the weights away (its c1 is a public combination of c1s that the
requester knows; its other coefficients are other combinations of the weights):

1. Of c0 only the released coefficients are sent: one for each applicant and part.
2. c1 is drowned in a u + e1, a fresh ring-LWE sample under `a` of the requester's seed (a random oracle: a requester
   cannot choose an `a` that has a trapdoor); c0 gets the matching b u + e0 of the requester's mask key (a, b).
3. Each released coefficient gets noise uniform over 2^flood units, so it tells at most 28 - flood bits, whatever
   it holds: features out of bounds, several in one, or values hidden below the scale.

With a b that is no encryption of zero a requester's values are wrong, and each tells as many bits about u instead: u
has 6,492. Past some hundred values in one request that is no bound; there `Quota.may_extract` has said already that
the weights are not protected.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.blind.messages import SCALE_BITS, Answer, Request, Terms
from protocols.blind.model import BlindModel
from protocols.blind.quota import AnswerCount, Quota
from protocols.blind.ring import DEGREE, Polynomial, Random, both_signs, noise, shifted, ternary, times, uniform


class BlindScorer:
    """Answers requests about one model, each charged before it is scored."""

    def __init__(self, model: BlindModel, quota: Quota, count: AnswerCount, random: Random) -> None:
        """Raises MessageError for a quota under which the weights can be solved for, unless it says so."""
        quota.check_model(model)
        self._units, self._part_of = model.units, model.part_of
        self._quota, self._count, self._random = quota, count, random
        self.terms: Terms = model.terms()

    def answer(self, requester: str, data: bytes) -> bytes:
        """The answer to a request of an authenticated requester.

        Raises MessageError for bytes that are no request under these terms (nothing charged), QuotaError beyond the
        quota. A request sent again is charged again: a second answer has other noise.
        """
        request = Request.decode(data, self.terms)
        self._count.charge(self.terms.model, requester, request.applicants, self._quota)
        c0, c1 = self._combine(request)
        c0, c1 = self._drown(request, c0, c1)
        released = c0[self.terms.released(request.applicants)]
        return Answer(request.applicants, c1, released + self._flood(released.shape)).encode(self.terms)

    def _combine(self, request: Request) -> tuple[Polynomial, Polynomial]:
        """c0 and c1 of the encrypted parts, still a public function of the request and the weights."""
        n, group = request.applicants, self.terms.group(request.applicants)
        c0, c1 = np.zeros(DEGREE, dtype=np.uint64), np.zeros(DEGREE, dtype=np.uint64)
        for index, column in enumerate(request.columns):
            pair = both_signs(column), both_signs(uniform(request.seed, index + 1))
            first = index * group
            for place, units in enumerate(self._units[first : first + group]):
                exponent = (self._part_of[first + place] * group - place) * n
                weight = units.astype(np.uint64)
                c0 += weight * shifted(pair[0], exponent)
                c1 += weight * shifted(pair[1], exponent)
        return c0, c1

    def _drown(self, request: Request, c0: Polynomial, c1: Polynomial) -> tuple[Polynomial, Polynomial]:
        """Adds a fresh encryption of zero."""
        u = ternary(self._random)
        fresh = times(request.mask, u) + noise(self._random), times(uniform(request.seed, 0), u) + noise(self._random)
        return c0 + fresh[0], c1 + fresh[1]

    def _flood(self, shape: tuple[int, ...]) -> NDArray[np.uint64]:
        """Uniform over 2^flood units around zero, to the last bit of the modulus."""
        width = self.terms.flood + SCALE_BITS
        drawn = np.frombuffer(self._random(8 * int(np.prod(shape))), dtype="<u8").astype(np.uint64).reshape(shape)
        return (drawn & np.uint64((1 << width) - 1)) - np.uint64(1 << width - 1)
