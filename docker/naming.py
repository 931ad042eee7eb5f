"""Determines a node's name from its container's name: "cpu-worker-1" in the container raydock-cpu-worker-1.

A container does not know the number that Compose assigned to it, but Docker's DNS does: a reverse lookup of the
container's address returns its name. This module uses only the standard library.
"""

import re
import socket
import struct

SERVER = ("127.0.0.11", 53)  # https://docs.docker.com/engine/network/#dns-services
TRIES = 3
SECONDS = 2.0  # for each try
# Compose writes project-service-number. Before version 2, it wrote project_service_number.
NUMBERED = re.compile(r"[-_](cpu-worker|gpu-worker)[-_](\d+)")
HEAD = re.compile(r".+[-_]head[-_]\d+")


def node_name(server: tuple[str, int] = SERVER) -> str:
    """The node's name, or "" if Compose did not start the container or Docker's DNS does not know its name."""
    name = container_name(socket.gethostbyname(socket.gethostname()), server)
    if found := NUMBERED.search(name):
        return f"{found[1]}-{found[2]}"
    return "head" if HEAD.fullmatch(name) else ""


def container_name(address: str, server: tuple[str, int] = SERVER) -> str:
    """The name of the container with this IPv4 address, or "" if the server does not know it."""
    for _ in range(TRIES):
        try:
            return first_label(*ask(address, server))
        except TimeoutError:
            continue
        except OSError:
            break
    return ""


def ask(address: str, server: tuple[str, int]) -> tuple[bytes, bytes]:
    """Ask a DNS server for an address's host name. Returns the question and the part of the reply that follows it.

    RFC 1035, 4.1, defines the messages.
    """
    labels = [*reversed(address.split(".")), "in-addr", "arpa"]
    question = b"".join(bytes([len(label)]) + label.encode() for label in labels) + struct.pack(
        ">BHH", 0, 12, 1
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(SECONDS)
        client.connect(server)
        client.send(struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + question)
        return question, client.recv(512)[12 + len(question) :]


def first_label(question: bytes, answer: bytes) -> str:
    """The first label of the host name in a record.

    A record consists of NAME, then TYPE, CLASS, TTL and RDLENGTH (10 bytes), then RDATA.
    """
    start = 10 + (2 if answer[:1] >= b"\xc0" else len(question) - 4)  # NAME may be a pointer to the question
    length = answer[start] if len(answer) > start else 0
    return answer[start + 1 : start + 1 + length].decode("ascii", "replace")
