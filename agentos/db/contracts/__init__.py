"""Values that cross the border of storage. No SQLAlchemy here: agents are imported without it."""
