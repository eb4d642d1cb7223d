"""What is stored, a class for each noun; `PostgresDb` is all of them."""
