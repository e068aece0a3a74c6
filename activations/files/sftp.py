"""An SFTP server as a place for files."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncssh

from activations.egress import open_connection
from activations.errors import AuthenticationError, ConfigError, DestinationRefused
from activations.retries import TryAgain

SECONDS = 30.0
"""For a connection, and for its login."""


@contextlib.contextmanager
def open_sftp(
    settings: Mapping[str, Any], *, private_network: bool
) -> Iterator[SftpDirectory]:
    """The account's directory, on a server that has proven its host key."""
    with (
        tempfile.TemporaryDirectory(prefix="kith-files-") as scratch,
        asyncio.Runner() as loop,
        _told(settings),
    ):
        connection = loop.run(_connect(settings, private_network=private_network))
        try:
            sftp = loop.run(_start(connection))
            directory = str(settings["directory"])
            if not loop.run(sftp.isdir(directory)):
                raise DestinationRefused(
                    f"{settings['host']} has no directory '{directory}', or the user "
                    "may not see it."
                )
            yield SftpDirectory(loop, sftp, directory, Path(scratch))
        finally:
            connection.abort()
            loop.run(connection.wait_closed())


async def _connect(
    settings: Mapping[str, Any], *, private_network: bool
) -> asyncssh.SSHClientConnection:
    host, port = str(settings["host"]), int(settings["port"])
    keys = _host_keys(str(settings["host_key"]))
    private_key = _private_key(settings["private_key"], settings["passphrase"])
    connection = await asyncio.to_thread(
        open_connection, host, port, private_network=private_network, seconds=SECONDS
    )
    connection.setblocking(False)
    return await asyncssh.connect(
        host,
        port,
        sock=connection,
        username=str(settings["user"]),
        password=settings["password"],
        client_keys=None if private_key is None else [private_key],
        known_hosts=(keys, [], []),
        # Nothing of the machine's own takes part: no agent, no file of its user's.
        config=None,
        agent_path=None,
        gss_kex=False,
        gss_auth=False,
        login_timeout=SECONDS,
        keepalive_interval=SECONDS,
    )


async def _start(connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
    return await connection.start_sftp_client()


def _host_keys(text: str) -> list[asyncssh.SSHKey]:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [asyncssh.import_public_key(line) for line in lines]
    except asyncssh.KeyImportError as error:
        raise ConfigError(
            "host_key is no public key of a server. Write what `ssh-keyscan HOST` says "
            f"after the name, such as 'ssh-ed25519 AAAA…' ({error})."
        ) from None


def _private_key(text: str | None, passphrase: str | None) -> asyncssh.SSHKey | None:
    if text is None:
        return None
    try:
        return asyncssh.import_private_key(text, passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        # Not the text of the error: it may quote the key.
        raise AuthenticationError(
            "private_key is no private key that its passphrase opens "
            f"({type(error).__name__}). One with a passphrase is in PKCS#8 PEM: "
            "ssh-keygen -p -m PKCS8 -f KEY"
        ) from None


@contextlib.contextmanager
def _told(settings: Mapping[str, Any]) -> Iterator[None]:
    """Say what an error of SSH means to a sync."""
    host = settings["host"]
    try:
        yield
    except asyncssh.PermissionDenied as error:
        raise AuthenticationError(
            f"{host} does not accept the credential: {error.reason}"
        ) from None
    except asyncssh.HostKeyNotVerifiable as error:
        raise DestinationRefused(
            f"{host} has another host key than the account's: {error.reason}. If the "
            "server was really given another one, change host_key."
        ) from None
    except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchPath) as error:
        raise DestinationRefused(f"{host} refuses: {error.reason}") from None
    except (asyncssh.Error, OSError) as error:
        reason = str(error) or type(error).__name__
        raise TryAgain(f"{host}: {reason}", code="connection") from None


class SftpDirectory:
    """A directory of a server. The next file grows beside the one it replaces."""

    def __init__(
        self,
        loop: asyncio.Runner,
        sftp: asyncssh.SFTPClient,
        directory: str,
        scratch: Path,
    ) -> None:
        self._loop = loop
        self._sftp = sftp
        self._directory = directory
        self._scratch = scratch

    def names(self) -> list[str]:
        found = self._loop.run(self._sftp.listdir(self._directory))
        return [str(name) for name in found]

    def old(self, name: str) -> Path | None:
        path = self._scratch / name
        try:
            self._loop.run(self._sftp.get(self._at(name), path))
        except asyncssh.SFTPNoSuchFile:
            return None
        return path

    def new(self, name: str) -> Path:
        return self._scratch / f".{name}.tmp"

    def replace(self, name: str) -> None:
        self._loop.run(self._replace(self.new(name), name))

    async def _replace(self, file: Path, name: str) -> None:
        begun = self._at(f".{name}.tmp")
        await self._sftp.put(file, begun)
        arrived = (await self._sftp.stat(begun)).size
        if arrived != file.stat().st_size:
            raise TryAgain(f"only {arrived} bytes of {name} arrived", code="cut_off")
        # To the server's disk, where it knows how.
        with contextlib.suppress(asyncssh.SFTPOpUnsupported):
            async with self._sftp.open(begun, "r+b") as there:
                await there.fsync()
        try:
            await self._sftp.posix_rename(begun, self._at(name))
        except asyncssh.SFTPOpUnsupported:
            await self._rename(begun, name)

    async def _rename(self, begun: str, name: str) -> None:
        """The plain rename of SFTP, which replaces nothing."""
        if await self._sftp.exists(self._at(name)):
            await self._sftp.remove(begun)
            raise DestinationRefused(
                f"The server cannot replace {name} at once (it does not know "
                "posix-rename@openssh.com). Use the action 'changes', which adds files."
            )
        await self._sftp.rename(begun, self._at(name))

    def _at(self, name: str) -> str:
        return posixpath.join(self._directory, name)
