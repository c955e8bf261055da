"""People and vehicles that are not there: strangers to the gateway, who speak the formats at its border and no more."""
