from dataclasses import replace

import pytest

from gateway.core.campaign import Placement
from gateway.core.drive import Driving
from gateway.core.events import Role, UnitKind
from gateway.core.safety import objection
from gateway.testing.engines import a_treatment

NOT_PARKED = (Driving.DRIVING, Driving.UNKNOWN)


@pytest.mark.parametrize("placement", list(Placement))
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("unit_kind", list(UnitKind))
def test_a_parked_unit_may_show_everything(placement: Placement, role: Role, unit_kind: UnitKind) -> None:
    assert objection(a_treatment(placement), role, unit_kind, Driving.PARKED, voice_opt_in=False) is None


@pytest.mark.parametrize("driving", NOT_PARKED)
@pytest.mark.parametrize("unit_kind", list(UnitKind))
def test_the_drivers_screen_is_closed_unless_parked_whatever_the_unit(driving: Driving, unit_kind: UnitKind) -> None:
    said = objection(a_treatment(Placement.DRIVER_SCREEN), Role.DRIVER, unit_kind, driving, voice_opt_in=True)
    assert said == "not_parked"


@pytest.mark.parametrize("driving", NOT_PARKED)
@pytest.mark.parametrize("while_driving", [False, True])
@pytest.mark.parametrize("voice_opt_in", [False, True])
def test_voice_while_driving_needs_both_the_action_and_the_subject(
    driving: Driving, *, while_driving: bool, voice_opt_in: bool
) -> None:
    treatment = replace(a_treatment(Placement.VOICE), while_driving=while_driving)
    said = objection(treatment, Role.DRIVER, UnitKind.CAR, driving, voice_opt_in=voice_opt_in)
    assert said == (None if while_driving and voice_opt_in else "voice_while_driving")


@pytest.mark.parametrize("driving", NOT_PARKED)
@pytest.mark.parametrize(
    ("role", "said"),
    [(Role.DRIVER, "phone_while_driving"), (Role.PASSENGER, None), (Role.CUSTOMER, None)],
)
def test_only_the_drivers_phone_is_left_alone_while_driving(driving: Driving, role: Role, said: str | None) -> None:
    assert objection(a_treatment(Placement.PHONE), role, UnitKind.CAR, driving, voice_opt_in=False) == said


@pytest.mark.parametrize("driving", NOT_PARKED)
@pytest.mark.parametrize("placement", [Placement.PASSENGER_SCREEN, Placement.KIOSK_SCREEN])
def test_screens_that_are_not_the_drivers_stay_open_while_driving(driving: Driving, placement: Placement) -> None:
    assert objection(a_treatment(placement), Role.PASSENGER, UnitKind.CAR, driving, voice_opt_in=False) is None


@pytest.mark.parametrize("placement", [Placement.VOICE, Placement.PHONE])
@pytest.mark.parametrize("unit_kind", [UnitKind.KIOSK, UnitKind.BEACON])
def test_what_is_no_car_does_not_drive(placement: Placement, unit_kind: UnitKind) -> None:
    assert objection(a_treatment(placement), Role.DRIVER, unit_kind, Driving.UNKNOWN, voice_opt_in=False) is None
