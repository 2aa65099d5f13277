"""Users, roles, and how a client shows who it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from raftkv._json import Object, Strange
from raftkv._request import Effect, Request, key_params, path_of, read, write
from raftkv.errors import Refused
from raftkv.types import Prefix, Range

if TYPE_CHECKING:
    from raftkv._caller import Caller
    from raftkv.types import Keys

Access: TypeAlias = Literal["read", "write", "readwrite"]


class Token:
    """Whoever a token stands for; one that is over is not replaced."""

    def __init__(self, token: str) -> None:
        if not token or not all("!" <= character <= "~" for character in token):
            raise ValueError("a token has visible ASCII characters only")
        self._token = token

    def headers(self) -> dict[str, str]:
        """What is sent with each request."""
        return {"Authorization": f"Bearer {self._token}"}

    async def renew(self, caller: Caller, shown: dict[str, str]) -> bool:  # noqa: ARG002
        """There is no password to log in with again."""
        return False


class Password:
    """A user and a password: logs in when a member first asks for a user, and when a token is over.

    So a client that has one works alike while authentication is off.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._token: Token | None = None
        self._turn = asyncio.Lock()

    def headers(self) -> dict[str, str]:
        """What is sent with each request."""
        return {} if self._token is None else self._token.headers()

    async def renew(self, caller: Caller, shown: dict[str, str]) -> bool:
        """Log in, unless another call has done so meanwhile."""
        async with self._turn:
            if self.headers() == shown:
                self._token = Token(await log_in(caller, self._user, self._password))
            return True


async def log_in(caller: Caller, user: str, password: str) -> str:
    """Give a token. One that is given out and lost does no harm, so this may be sent again."""
    body = write("POST", "/auth/login", body={"user": user, "password": password})
    request = Request(
        "POST", body.path, Effect.READ, headers=body.headers, body=body.body, is_anonymous=True
    )
    return await caller.read(request, lambda answer: answer.text("token"))


async def log_out(caller: Caller, token: str) -> None:
    """End a token, at once and for all members."""
    caller = replace(caller, credentials=Token(token))
    await caller.write(write("POST", "/auth/logout"), _nothing)


@dataclass(frozen=True, slots=True)
class AuthStatus:
    """Whether users are asked for, and who asks; ``None``: nobody."""

    enabled: bool
    user: str | None


@dataclass(frozen=True, slots=True)
class User:
    """A user; one without a password can not log in."""

    name: str
    has_password: bool
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Permission:
    """What a role may do with some keys."""

    access: Access
    keys: Keys


@dataclass(frozen=True, slots=True)
class Role:
    """A role and what it may do."""

    name: str
    permissions: tuple[Permission, ...]


class Users:
    """The users and roles of a cluster; but for ``status`` they are for the role ``root``.

    These writes have no name: one whose outcome is unknown is not sent again.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def status(self) -> AuthStatus:
        """Whether users are asked for, and who this client is."""
        return await self._caller.read(read("/auth"), _status)

    async def enable_auth(self) -> None:
        """Ask everybody for a user from now on; needs a user ``root`` with the role ``root``."""
        await self._change("POST", "/auth/enable")

    async def disable_auth(self) -> None:
        """Let everybody do everything; all tokens are over."""
        await self._change("POST", "/auth/disable")

    async def list(self) -> tuple[User, ...]:
        """All users."""
        return await self._caller.read(
            read("/users"), lambda answer: tuple(_user(user) for user in answer.objects("users"))
        )

    async def get(self, user: str) -> User | None:
        """One user, or ``None``."""
        try:
            return await self._caller.read(read(path_of("/users/", user)), _user)
        except Refused as error:
            if error.code == "user_not_found":
                return None
            raise

    async def add(self, user: str, password: str | None = None) -> None:
        """Add a user."""
        body = {"name": user} | ({} if password is None else {"password": password})
        await self._change("POST", "/users", body)

    async def delete(self, user: str) -> None:
        """Remove a user."""
        await self._change("DELETE", path_of("/users/", user))

    async def set_password(self, user: str, password: str) -> None:
        """Give a user another password; tokens of the old one are over."""
        await self._change("PUT", path_of("/users/", user) + "/password", {"password": password})

    async def grant_role(self, user: str, role: str) -> None:
        """Give a user a role."""
        await self._change("PUT", path_of(path_of("/users/", user) + "/roles/", role))

    async def revoke_role(self, user: str, role: str) -> None:
        """Take a role from a user."""
        await self._change("DELETE", path_of(path_of("/users/", user) + "/roles/", role))

    async def roles(self) -> tuple[Role, ...]:
        """All roles."""
        return await self._caller.read(
            read("/roles"), lambda answer: tuple(_role(role) for role in answer.objects("roles"))
        )

    async def add_role(self, role: str) -> None:
        """Add a role that may do nothing yet."""
        await self._change("POST", "/roles", {"name": role})

    async def delete_role(self, role: str) -> None:
        """Remove a role, from all its users too."""
        await self._change("DELETE", path_of("/roles/", role))

    async def grant(self, role: str, keys: Keys, access: Access) -> None:
        """Let a role do something with some keys."""
        request = write(
            "PUT",
            path_of("/roles/", role) + "/permissions",
            [("access", access), *key_params(keys)],
        )
        await self._caller.write(request, _nothing)

    async def revoke(self, role: str, keys: Keys) -> None:
        """Take from a role what it may do with exactly these keys."""
        path = path_of("/roles/", role) + "/permissions"
        await self._caller.write(write("DELETE", path, key_params(keys)), _nothing)

    async def _change(self, method: str, path: str, body: object = None) -> None:
        await self._caller.write(write(method, path, body=body), _nothing)


def _nothing(answer: Object) -> None:
    answer.integer("log_index")


def _status(answer: Object) -> AuthStatus:
    return AuthStatus(answer.flag("enabled"), answer.optional_text("user"))


def _user(user: Object) -> User:
    return User(user.text("name"), user.flag("has_password"), tuple(user.texts("roles")))


def _role(role: Object) -> Role:
    permissions = tuple(_permission(one) for one in role.objects("permissions"))
    return Role(role.text("name"), permissions)


def _permission(permission: Object) -> Permission:
    keys = _keys(permission)
    match permission.text("access"):
        case "read":
            return Permission("read", keys)
        case "write":
            return Permission("write", keys)
        case "readwrite":
            return Permission("readwrite", keys)
        case access:
            raise Strange(f"{access!r} is no kind of access")


def _keys(permission: Object) -> Keys:
    prefix = permission.optional_raw("prefix")
    if prefix is not None:
        return Prefix(prefix)
    start = permission.optional_raw("from")
    if start is not None:
        return Range(start, permission.optional_raw("to"))
    return permission.raw("key")
