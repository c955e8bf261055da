"""How likely a person is to accept a coupon, from what a car can know about the moment."""

from typing import Final

NAME: Final = "coupon_propensity"
VERSION: Final = "1.0.0"
