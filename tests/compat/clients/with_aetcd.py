"""A program written with aetcd, an asyncio client over gRPC. Its argument: the port of a member."""

import asyncio
import sys

import aetcd


async def main(port):
    async with aetcd.Client(host="127.0.0.1", port=port, timeout=20) as client:
        await client.put(b"a/1", b"one")
        await client.put(b"a/2", b"two")
        assert (await client.get(b"a/1")).value == b"one"
        assert await client.get(b"a/none") is None
        assert [item.key for item in await client.get_prefix(b"a/")] == [b"a/1", b"a/2"]

        assert await client.replace(b"a/1", b"one", b"1")
        assert not await client.replace(b"a/1", b"one", b"never")

        succeeded, _ = await client.transaction(
            compare=[client.transactions.value(b"a/1") == b"1"],
            success=[client.transactions.put(b"a/3", b"three")],
            failure=[client.transactions.delete(b"a/1")],
        )
        assert succeeded and (await client.get(b"a/3")).value == b"three"

        lease = await client.lease(60)
        await client.put(b"a/leased", b"v", lease=lease)
        assert (await client.get_lease_info(lease.id)).keys == [b"a/leased"]
        await lease.refresh()
        await lease.revoke()
        assert await client.get(b"a/leased") is None

        watch = await client.watch_prefix(b"a/")
        await client.put(b"a/4", b"seen")
        await client.delete(b"a/4")
        kinds = []
        async for event in watch:
            kinds.append((str(event.kind).split(".")[-1].upper(), event.kv.key))
            if len(kinds) == 2:
                break
        assert kinds == [("PUT", b"a/4"), ("DELETE", b"a/4")], kinds
        await watch.cancel()

        async with client.lock(b"a/lock", ttl=10) as lock:
            assert await lock.is_acquired()
        assert (await client.delete_prefix(b"a/")).deleted == 3
        assert (await client.status()).version == "3.6.0"


asyncio.run(main(int(sys.argv[1])))
print("ok")
