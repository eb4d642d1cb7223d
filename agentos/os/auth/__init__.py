"""Authentication and authorization: the middleware, and the policy behind it."""
