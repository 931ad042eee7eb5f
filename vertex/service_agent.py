"""Who jobs of a new cluster run as, where no account is named: the project's Custom Code Service Agent."""

from __future__ import annotations

from iam.policy.principal import code_agent
from vertex.location import Place


def agent(place: Place) -> str:
    """Its address; with PROJECT_NUMBER in it where the project's number can't be had, which refuses nothing."""
    import asyncio

    from iam.errors import IamError

    number = place.project if place.project.isdigit() else ""
    try:
        number = number or asyncio.run(number_of(place.project))
    except IamError:
        number = ""
    return code_agent(number or "PROJECT_NUMBER")


async def number_of(project: str) -> str:
    """The project's number, asked of Resource Manager as the caller; "" where it does not tell."""
    from iam import session
    from iam.policy_reader import Asker
    from raydock.gcp.clouds import Google, http

    google = Google()
    async with http(google) as client:
        asker = Asker(client, google, await google.token(client), google.headers_of_caller())
        return await session.number_of(asker, project)
