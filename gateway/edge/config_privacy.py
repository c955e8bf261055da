"""`[privacy]`: who answers for what a gateway keeps of people. What is not stated is told as unknown."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.wire.receipts import Controller

Told = Annotated[str, Field(min_length=1, max_length=256)] | None


class PrivacyConfig(BaseModel):
    """What stands in every record of a consent and in no decision.

    Attributes:
        controller: The name of whoever decides what the data are used for.
        contact: Where people reach them: a mail address, a telephone number, a page.
        address: Their postal address.
        jurisdiction: Whose law holds, e.g. `CH` or `EU`.
        policy: The id of the privacy policy that the notices belong to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    controller: Told = None
    contact: Told = None
    address: Told = None
    jurisdiction: Told = None
    policy: Told = None

    def party(self) -> Controller:
        """Return it as records of consents name it."""
        return Controller(self.controller, self.contact, self.address, self.jurisdiction, self.policy)
