"""Hosts on one machine: each with a network, an address, a name and processes of its own, on a bridge that joins them.

with Hosts("node1", "node2") as hosts:
    hosts.start("node1", "python", "train.py")
    hosts.cut("node1")  # the cable, not the power

They share the file system, the clock and the memory. It takes root, and `ip` and `unshare` of Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

NAMED = (
    "unshare",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    'hostname "$0" && exec "$@"',
)
"""Runs a program under the host's name, which comes first, and where no process of another host can be seen."""


def missing() -> str | None:
    """Why there can be no hosts on this machine."""
    lacking = [name for name in ("ip", "unshare") if shutil.which(name) is None]
    if lacking or os.getuid() != 0:
        return f"needs root{', ' if lacking else ''}{' and '.join(lacking)}, for hosts of their own addresses"
    try:
        with Hosts("probe") as hosts:
            hosts.start("probe", "true", check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"this machine makes no network namespaces: {error}"
    return None


class Hosts:
    """Hosts of these names; `address` is where they reach what runs outside of them."""

    def __init__(self, *names: str) -> None:
        self._tag = f"k{os.getpid() % 100_000}"
        self._net = f"198.18.{os.getpid() % 250}"  # addresses that nobody has, for measurements
        self.address = f"{self._net}.1"
        self.names = names
        self._begun: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Hosts:
        try:
            _ip("link", "add", self._tag, "type", "bridge")
            _ip("addr", "add", f"{self.address}/24", "dev", self._tag)
            _ip("link", "set", self._tag, "up")
            for number, name in enumerate(self.names, 2):
                self._join(name, number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._begun:
            process.kill()
            process.wait()
        for name in self.names:
            _ip("netns", "del", self._space(name), check=False)
        _ip("link", "del", self._tag, check=False)

    def _space(self, name: str) -> str:
        return f"{self._tag}-{name}"

    def _cable(self, name: str) -> str:
        return f"{self._tag}v{self.names.index(name)}"

    def _join(self, name: str, number: int) -> None:
        space, cable, inside = self._space(name), self._cable(name), f"{self._cable(name)}i"
        _ip("netns", "add", space)
        _ip("link", "add", cable, "type", "veth", "peer", "name", inside)
        _ip("link", "set", inside, "netns", space)
        _ip("link", "set", cable, "master", self._tag, "up")
        _ip("-n", space, "addr", "add", f"{self._net}.{number}/24", "dev", inside)
        _ip("-n", space, "link", "set", inside, "up")
        _ip("-n", space, "link", "set", "lo", "up")

    def start(self, name: str, *command: Any, check: bool = False) -> subprocess.Popen[str]:
        """Run a program on a host; with `check` wait for it, and raise where it fails."""
        words = ["ip", "netns", "exec", self._space(name), *NAMED, name, *map(str, command)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._begun.append(process)
        if check and process.wait():
            raise subprocess.CalledProcessError(process.returncode, words)
        return process

    def cut(self, name: str) -> None:
        """Pull the cable of a host: what it sends arrives nowhere, and nobody is told."""
        _ip("link", "set", self._cable(name), "down")

    def join(self, name: str) -> None:
        """Put it in again."""
        _ip("link", "set", self._cable(name), "up")


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)
