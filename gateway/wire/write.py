"""The way out: what the engine asks to publish becomes bytes."""

from pydantic import ValidationError

from gateway.core import effects
from gateway.core.errors import InvariantViolation
from gateway.wire.payloads import Offer, Reward, Slate, Withdrawal


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
            reward=None if offer.reward is None else _reward(offer.reward),
            made_ms=offer.made,
            expires_ms=offer.expires,
            slate=Slate(id=offer.slate, position=offer.position) if offer.slate else None,
            as_of_ms=offer.as_of,
        )
    except ValidationError as error:
        raise InvariantViolation(f"an offer the wire does not allow: {error}") from error
    return payload.encode()


def _reward(reward: effects.OfferedReward) -> Reward:
    cents = reward.told_cents
    if cents is None:
        return Reward(id=reward.id, text=reward.text)
    amount = f"{cents // 100}.{cents % 100:02d}"
    return Reward(id=reward.id, text=reward.text, amount=amount, currency=reward.currency or None)


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
