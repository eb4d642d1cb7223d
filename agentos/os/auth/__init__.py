"""Who is asking, and whether they may: the middleware, and what judges requests without a server."""
