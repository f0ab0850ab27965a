"""The owner's side: encrypted features in, encrypted parts out.

A request is an encryption of x with feature j of applicant i at coefficient j * n + i. Multiplied by the sum of
w_j X^(-j n) over the features j of a part, coefficient i holds the applicant's sum: a ciphertext for each part. No
rotations, no evaluation keys.

Circuit privacy, without which one answer gives all the weights away (its c1 is a public combination of c1s that the
requester knows; its other coefficients are other combinations of the weights):

1. A part has a ciphertext of its own, and of its c0 only the applicants' coefficients are sent. Coefficient i is a
   combination of coefficients j n + i of the request, one for each feature of THIS part: whatever a request holds, an
   applicant is one equation in the weights of each part and none in another's. (Parts side by side in one ciphertext
   would be told apart by features out of place: one applicant, as many equations in one part as there are parts.)
2. c1 is drowned in a u + e1, a fresh ring-LWE sample under `a` of the requester's seed (a random oracle: a requester
   cannot choose an `a` that has a trapdoor); c0 gets the matching b u + e0 of the requester's mask key (a, b).
3. Each released coefficient gets noise uniform over 2^flood units, so it tells at most 28 - flood bits, whatever
   it holds: features out of bounds, several in one, or values hidden below the scale.

With a b that is no encryption of zero a requester's values are wrong, and each tells as many bits about u instead. So
`Quota.most_in_request` keeps the values under one u few enough for what is left of u to hide c1.
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
        self.counted_as, self.divided_as = model.counted_as(), model.divided_as()

    def answer(self, requester: str, data: bytes) -> bytes:
        """The answer to a request of an authenticated requester.

        Raises MessageError for bytes that are no request under these terms (nothing charged), QuotaError beyond the
        quota. A request sent again is charged again: a second answer has other noise.
        """
        request = Request.decode(data, self.terms)
        self._quota.check_request(request.applicants, self.terms)
        self._count.charge(self.counted_as, requester, request.applicants, self._quota, self.divided_as)
        drowned = [self._drown(request, c0, c1) for c0, c1 in self._combine(request)]
        values = np.array([c0[: request.applicants] for c0, _ in drowned])
        c1 = np.array([c1 for _, c1 in drowned])
        return Answer(request.applicants, c1, values + self._flood(values.shape)).encode(self.terms)

    def _combine(self, request: Request) -> list[tuple[Polynomial, Polynomial]]:
        """c0 and c1 of each encrypted part, still a public function of the request and the weights."""
        n, group = request.applicants, self.terms.group(request.applicants)
        parts = np.zeros((self.terms.parts, 2, DEGREE), dtype=np.uint64)
        for index, column in enumerate(request.columns):
            pair = both_signs(column), both_signs(uniform(request.seed, index + 1))
            first = index * group
            for place, units in enumerate(self._units[first : first + group]):
                weight, part = units.astype(np.uint64), parts[self._part_of[first + place]]
                part[0] += weight * shifted(pair[0], -place * n)
                part[1] += weight * shifted(pair[1], -place * n)
        return [(c0, c1) for c0, c1 in parts]

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
