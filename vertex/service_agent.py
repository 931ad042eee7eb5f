"""The default identity for jobs on a new cluster: the project's Custom Code Service Agent."""

from __future__ import annotations

from iam.policy.principal import code_agent
from raydock.errors import RaydockError
from vertex.location import Location


def address(location: Location) -> str:
    """The agent's address, with PROJECT_NUMBER as a placeholder if the number can't be determined."""
    from raydock import event_loop

    number = location.project if location.project.isdigit() else ""
    try:
        number = number or event_loop.run(project_number(location.project))
    except RaydockError:
        number = ""
    return code_agent(number or "PROJECT_NUMBER")


async def project_number(project: str) -> str:
    """The project number, from a Resource Manager request made as the caller. "" if it is unavailable."""
    from iam import session
    from iam.policy_reader import PolicyReader
    from raydock.gcp.clouds import RealCloud, http

    google = RealCloud()
    async with http(google) as client:
        reader = PolicyReader(client, google, await google.token(client), google.headers_of_caller())
        return await session.number_of(reader, project)
