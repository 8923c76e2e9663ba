"""Two who hear a group: one takes each message, one takes nothing for a while."""

import asyncio

from channels.layers import InMemoryChannelLayer


# ANCHOR: queue
async def main():
    layer = InMemoryChannelLayer(capacity=100, expiry=60)
    for name in ("quick", "slow"):
        await layer.group_add("public", name)

    said, quick = 150, []
    for number in range(1, said + 1):
        await layer.group_send("public", {"type": "chat.tell", "number": number})
        quick.append((await layer.receive("quick"))["number"])

    slow = []
    while layer.channels.get("slow"):
        slow.append((await layer.receive("slow"))["number"])
    # ANCHOR_END: queue
    tell("quick", quick, said)
    tell("slow", slow, said)


def tell(name, numbers, said):
    missing = sorted(set(range(1, said + 1)) - set(numbers))
    print(f"{name}: got {len(numbers)} of {said}, {numbers[0]} to {numbers[-1]}")
    if missing:
        print(f"{name}: {missing[0]} to {missing[-1]} are missing, and nobody was told")


asyncio.run(main())
