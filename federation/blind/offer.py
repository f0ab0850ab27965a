"""What the owner of a blind model tells those it allows to ask: terms, encoding, limits, signed with its own key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, PositiveInt

from federation.blind.columns import By, Columns
from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.rounds.plan import CatalogueRef, Document
from federation.runtime.settings import Name
from federation.scorecard import Scaling
from federation.scorecard.recalibration import Recalibration
from protocols.blind import Terms
from protocols.signing import SigningKey, VerifyingKey

OFFER_LABEL = "fedscore/v1/blind/offer"


class Limits(Document):
    """Applicants: in the model's life, of one lender, of one lender on one day (None: no limit), in one request."""

    lifetime: PositiveInt
    per_lender: PositiveInt
    per_day: PositiveInt | None
    per_request: PositiveInt
    weights_may_be_extracted: bool

    @property
    def leaves(self) -> str:
        """For how long that many are left, in words: only a day's limit comes back."""
        return "today" if self.per_day is not None else "for as long as this model is served"


class Offer(Document):
    """`terms`: as `protocols.blind.Terms` writes them, hexadecimal; `knots`: of a model that is recalibrated."""

    format: Literal["fedscore/v1/blind-offer"] = "fedscore/v1/blind-offer"
    owner: Name
    terms: str = Field(max_length=4096)
    catalogue: CatalogueRef
    pairs: bool
    by: By
    parts: tuple[str, ...]
    knots: tuple[tuple[float, float], ...] = ()
    scaling: dict[str, Any]
    limits: Limits

    def read_terms(self) -> Terms:
        """Raises MessageError, or ConfigurationError for what is not hexadecimal."""
        try:
            data = bytes.fromhex(self.terms)
        except ValueError as error:
            raise ConfigurationError("offer.terms", got="no hexadecimal digits", expected="terms") from error
        return Terms.from_bytes(data)

    def columns(self, catalogue: Catalogue) -> Columns:
        """How to encode. Raises ConfigurationError unless `catalogue` is the offer's and gives the model's features."""
        wanted = self.catalogue
        if wanted.hash != catalogue.hash:
            raise ConfigurationError(
                "catalogue",
                got=f"{catalogue.name} {catalogue.version} ({catalogue.hash[:12]})",
                expected=f"{wanted.name} {wanted.version} ({wanted.hash[:12]}), as the owner offers",
            )
        columns, terms = Columns(catalogue, self.pairs, self.by), self.read_terms()
        ours, theirs = (columns.count, columns.parts, 1), (terms.features, self.parts, terms.bound)
        if ours != theirs or terms.parts != len(self.parts):
            raise ConfigurationError("offer", got=f"features, parts, bound {theirs}", expected=f"{ours}")
        Recalibration.of(self.knots)
        self.read_scaling()
        return columns

    def read_scaling(self) -> Scaling:
        return Scaling.from_json(self.scaling)


@dataclass(frozen=True)
class SignedOffer:
    """An offer, and the signature of its owner."""

    offer: Offer
    signature: bytes

    @classmethod
    def sign(cls, offer: Offer, key: SigningKey) -> SignedOffer:
        return cls(offer, key.sign(OFFER_LABEL, offer.canonical()))

    @classmethod
    def read(cls, offer: bytes, signature: bytes, owner: VerifyingKey) -> SignedOffer:
        """Raises ConfigurationError, MessageError or SignatureError unless `owner` offers this."""
        owner.verify(OFFER_LABEL, offer, signature)
        return cls(Offer.read(offer), signature)
