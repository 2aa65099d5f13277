"""Users: who may do what, and how a client shows who it is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from processes import Cluster

import raftkv
from raftkv import Permission, Prefix, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own: of what it asks others must not hear."""
    cluster = Cluster(1, tmp_path_factory.mktemp("users"))
    yield cluster
    cluster.close()


@asynccontextmanager
async def guarded(one: Cluster) -> AsyncIterator[raftkv.Client]:
    """The client of root, on a cluster that asks for users, among them ada, who may use a/."""
    async with raftkv.Client(one.urls, user="root", password="root's") as root:
        await root.users.add("root", "root's")
        await root.users.add_role("root")
        await root.users.grant_role("root", "root")
        await root.users.add_role("a")
        await root.users.grant("a", Prefix("a/"), "readwrite")
        await root.users.add("ada", "ada's")
        await root.users.grant_role("ada", "a")
        await root.users.enable_auth()
        try:
            yield root
        finally:
            await root.users.disable_auth()
            for user in ("root", "ada"):
                await root.users.delete(user)
            for role in ("root", "a"):
                await root.users.delete_role(role)


async def test_a_user_may_do_what_its_roles_grant_and_no_more(one: Cluster) -> None:
    async with guarded(one) as root:
        ada = root.with_user("ada", "ada's")
        await ada.put("a/k", "v")
        assert await ada.count(Prefix("a/")) == 1
        with pytest.raises(raftkv.PermissionDenied):
            await ada.put("b/k", "v")
        with pytest.raises(raftkv.PermissionDenied):
            await anext(ada.watch())
        assert (await ada.users.status()).user == "ada"
        assert await root.get("b/k") is None


async def test_nobody_and_a_wrong_password_are_refused(one: Cluster) -> None:
    async with guarded(one) as root, raftkv.Client(one.urls) as nobody:
        with pytest.raises(raftkv.Unauthenticated):
            await nobody.put("a/k", "v")
        with pytest.raises(raftkv.Unauthenticated):
            await root.with_user("ada", "root's").get("a/k")
        with pytest.raises(raftkv.Unauthenticated):
            await nobody.with_token("none.1").get("a/k")
        with pytest.raises(raftkv.Unauthenticated):
            await anext(nobody.watch("a/k"))


async def test_a_token_stands_for_its_user_until_it_is_over(one: Cluster) -> None:
    async with guarded(one) as root:
        ada = root.with_token(await root.login("ada", "ada's"))
        await ada.put("a/k", "v")
        await root.users.set_password("ada", "new")
        with pytest.raises(raftkv.Unauthenticated):
            await ada.put("a/k", "w")
        found = await root.get("a/k")
        assert found is not None
        assert found.value == b"v"


async def test_a_token_is_over_once_it_was_ended(one: Cluster) -> None:
    async with guarded(one) as root:
        token = await root.login("ada", "ada's")
        ada = root.with_token(token)
        await ada.put("a/k", "v")
        await root.logout(token)
        with pytest.raises(raftkv.Unauthenticated):
            await ada.get("a/k")
        with pytest.raises(raftkv.Unauthenticated):
            await root.logout(token)
        assert (await root.users.status()).user == "root"


async def test_who_has_a_password_logs_in_again_when_a_token_is_over(one: Cluster) -> None:
    async with guarded(one) as root:
        ada = root.with_user("ada", "ada's")
        await ada.put("a/k", "v")
        # All tokens are over once authentication was off.
        await root.users.disable_auth()
        await root.users.enable_auth()
        await ada.put("a/k", "w")
        async with ada.watch(Prefix("a/")) as watch:
            await ada.put("a/k", "x")
            changes = await anext(watch)
        assert [event.key for event in changes.events] == [b"a/k"]


async def test_users_and_roles_are_told(one: Cluster) -> None:
    async with guarded(one) as root:
        await root.users.grant("a", Range("x"), "read")
        await root.users.grant("a", "one", "write")
        users = {user.name: user.roles for user in await root.users.list()}
        assert users == {"root": ("root",), "ada": ("a",)}
        roles = {role.name: role.permissions for role in await root.users.roles()}
        assert set(roles["a"]) == {
            Permission("readwrite", Prefix(b"a/")),
            Permission("read", Range(b"x", None)),
            Permission("write", b"one"),
        }
        await root.users.revoke("a", "one")
        await root.users.revoke_role("ada", "a")
        ada = await root.users.get("ada")
        assert ada is not None
        assert ada.roles == ()
        assert await root.users.get("nobody") is None
