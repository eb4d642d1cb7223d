"""What middleware holds while the app lives: had before the app starts, gone before the server is told."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def holding(
    held: AbstractAsyncContextManager[None], app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Runs the app's lifespan inside `held`. A server ends its loop once it hears of the shutdown's end."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(held)

        async def after_release(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await stack.aclose()
            await send(message)

        await app(scope, receive, after_release)
