"""Storage, one class per noun; `PostgresDb` combines them."""
