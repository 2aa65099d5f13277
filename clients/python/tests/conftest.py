"""The world of the tests: one cluster of three for all of them, whole again before each."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import pytest
from processes import Cluster

import raftkv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from _pytest.terminal import TerminalReporter


TEST_S_MAX = 40
"""An asynchronous test that takes longer has failed; others are bounded by pytest-timeout."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and asyncio.iscoroutinefunction(item.obj):
            item.obj = bounded(item.obj)


def bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The same test with a deadline that ends it in good order."""

    @functools.wraps(test)
    async def run(*arguments: Any, **named: Any) -> None:
        async with asyncio.timeout(TEST_S_MAX):
            await test(*arguments, **named)

    return run


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(3, tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(three: Cluster) -> Cluster:
    three.heal()
    return three


@pytest.fixture
async def kv(cluster: Cluster) -> AsyncIterator[raftkv.Client]:
    """A client with time enough for an election, and a store without keys."""
    async with raftkv.Client(cluster.urls, timeout=20) as client:
        await client.txn(then=[raftkv.DeleteOp(raftkv.EVERY_KEY)])
        yield client


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Close with the line that machines read."""
    counts = {kind: len(found) for kind, found in terminalreporter.stats.items()}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    terminalreporter.write_line(f"pytest: {counts.get('passed', 0)} passed, {failed} failed")
