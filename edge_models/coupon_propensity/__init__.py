"""How likely a person is to accept a coupon, from what a car can know about the moment."""
