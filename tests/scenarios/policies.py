"""Policies besides the one that every log here begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from making.world import World

from trustlog.demo.cast import POLICY


def policy(name: str, *, tools: Mapping[str, Mapping[str, Any]] | None = None, **members: Any) -> dict[str, Any]:
    """The usual policy under another name; `tools` adds to or replaces members of its tools."""
    changed = {tool: {**POLICY["tools"].get(tool, {}), **more} for tool, more in (tools or {}).items()}
    return {**POLICY, "policy_name": name, "tools": {**POLICY["tools"], **changed}, **members}


async def publish_policy(
    world: World, name: str, *, tools: Mapping[str, Mapping[str, Any]] | None = None, **members: Any
) -> str:
    """Publish such a policy; its hash."""
    world.clock.step()
    document = policy(name, tools=tools, **members)
    return (await world.desk.publish("work_policy_contract", document, world.signer("policy issuer"))).payload_hash
