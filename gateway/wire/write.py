"""The way out: what the engine asks to publish becomes bytes."""

from pydantic import ValidationError

from gateway.core import effects
from gateway.core.errors import InvariantViolation
from gateway.wire.payloads import Offer, Reward, Withdrawal


def encode_offer(offer: effects.Offer) -> bytes:
    """Return the payload of an offer, for `offers` of its unit. It does not name the holder.

    Raises:
        InvariantViolation: The offer is not one that the wire allows; releases are checked so that none is.
    """
    try:
        payload = Offer(
            id=offer.id,
            decision_id=offer.decision,
            unit=offer.unit,
            role=offer.role,
            placement=offer.placement,
            action=offer.action,
            kind=offer.kind,
            language=offer.language,
            title=offer.title,
            body=offer.body,
            call_to_action=offer.call_to_action,
            reward=None if offer.reward is None else Reward(id=offer.reward.id, text=offer.reward.text),
            made_ms=offer.made,
            expires_ms=offer.expires,
        )
    except ValidationError as error:
        raise InvariantViolation(f"an offer the wire does not allow: {error}") from error
    return payload.encode()


def encode_withdrawal(withdrawn: effects.OfferWithdrawn) -> bytes:
    """Return the payload that takes an offer off the screen, for `offers` of its unit.

    Raises:
        InvariantViolation: It is not one that the wire allows.
    """
    try:
        payload = Withdrawal(id=withdrawn.offer, reason=withdrawn.reason)
    except ValidationError as error:
        raise InvariantViolation(f"a withdrawal the wire does not allow: {error}") from error
    return payload.encode()
