"""What may be shown to whom in which driving state: an invariant, not a setting.

| placement        | parked | driving or unknown                                             |
|------------------|--------|----------------------------------------------------------------|
| driver_screen    | yes    | no, whatever the kind of action                                |
| voice            | yes    | only a treatment marked for it, to a subject who opted in      |
| phone            | yes    | not the driver's                                               |
| passenger_screen | yes    | yes                                                            |
| kiosk_screen     | yes    | yes: a kiosk does not drive                                    |

A unit that is no car does not drive: only `driver_screen`, which is always some car's, stays closed there.
"""

from gateway.core.campaign import Placement, Treatment
from gateway.core.drive import Driving
from gateway.core.events import Role, UnitKind


def objection(
    treatment: Treatment, role: Role, unit_kind: UnitKind, driving: Driving, *, voice_opt_in: bool
) -> str | None:
    """Return why a treatment may not be shown now, or None if it may."""
    if driving is Driving.PARKED:
        return None
    if treatment.placement is Placement.DRIVER_SCREEN:
        return "not_parked"
    if unit_kind is not UnitKind.CAR:
        return None
    if treatment.placement is Placement.VOICE and not (treatment.while_driving and voice_opt_in):
        return "voice_while_driving"
    if treatment.placement is Placement.PHONE and role is Role.DRIVER:
        return "phone_while_driving"
    return None
