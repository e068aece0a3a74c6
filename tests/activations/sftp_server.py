"""A real SFTP server on loopback, over a directory of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "kith", "a password of tests"


class SftpServer:
    """Takes one user, by password or key. `hold` keeps writes waiting while it is
    clear, the next `cuts` writes end the connection, and `replaces` says whether the
    server knows OpenSSH's rename."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self.writes = 0
        self.hold = threading.Event()
        self.hold.set()
        self.cuts = 0
        self.replaces = True

    @property
    def settings(self) -> dict[str, Any]:
        """What an account sets, but for its credential."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "host_key": self.host_key.export_public_key().decode(),
            "user": USER,
            "directory": "lists",
        }


class _Login(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


def _files(server: SftpServer) -> type[asyncssh.SFTPServer]:
    class Files(asyncssh.SFTPServer):
        def __init__(self, channel: Any) -> None:
            super().__init__(channel, chroot=str(server.root).encode())

        async def write(self, file_obj: object, offset: int, data: bytes) -> int:
            server.writes += 1
            if server.cuts > 0:
                server.cuts -= 1
                self.channel.get_connection().abort()
            await asyncio.to_thread(server.hold.wait, 30)
            written: int = super().write(file_obj, offset, data)  # type: ignore[assignment]  # never awaits
            return written

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            if not server.replaces:
                raise asyncssh.SFTPOpUnsupported("not here")
            super().posix_rename(oldpath, newpath)

    return Files


@contextmanager
def run_sftp(root: Path) -> Iterator[SftpServer]:
    """A server in a thread of its own."""
    server = SftpServer(root)
    (root / "lists").mkdir(parents=True)
    keys = root.with_name("authorized_keys")
    server.user_key.write_public_key(str(keys))
    is_up = threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        listener = await asyncssh.create_server(
            _Login,
            "127.0.0.1",
            0,
            server_host_keys=[server.host_key],
            authorized_client_keys=str(keys),
            sftp_factory=_files(server),
        )
        server.port = listener.get_port()
        is_up.set()
        await ended.wait()
        listener.close()
        await listener.wait_closed()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert is_up.wait(10)
    try:
        yield server
    finally:
        server.hold.set()
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
